// src/core/worker/worker.py inside the binary: between slipway_worker_begin and slipway_worker_end.
  .section .rodata
  .global slipway_worker_begin
  .global slipway_worker_end
  .balign 64
slipway_worker_begin:
  .incbin SLIPWAY_WORKER
slipway_worker_end:
  .byte 0
  .section .note.GNU-stack,"",@progbits
