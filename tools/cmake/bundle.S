// What bundles for devices get from inside the binary: src/bundle/index.html, src/bundle/run.mjs and src/rt/slipway_rt.h.
  .section .rodata
  .global slipway_index_html_begin
  .global slipway_index_html_end
  .global slipway_run_mjs_begin
  .global slipway_run_mjs_end
  .global slipway_rt_header_begin
  .global slipway_rt_header_end
  .balign 64
slipway_index_html_begin:
  .incbin SLIPWAY_INDEX_HTML
slipway_index_html_end:
  .byte 0
slipway_run_mjs_begin:
  .incbin SLIPWAY_RUN_MJS
slipway_run_mjs_end:
  .byte 0
slipway_rt_header_begin:
  .incbin SLIPWAY_RT_HEADER
slipway_rt_header_end:
  .byte 0
  .section .note.GNU-stack,"",@progbits
