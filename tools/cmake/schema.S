// src/app/schema.sql inside the binary: bytes between slipway_schema_begin and slipway_schema_end.
  .section .rodata
  .global slipway_schema_begin
  .global slipway_schema_end
  .balign 64
slipway_schema_begin:
  .incbin SLIPWAY_SCHEMA
slipway_schema_end:
  .byte 0
  .section .note.GNU-stack,"",@progbits
