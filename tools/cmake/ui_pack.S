// The console inside the binary: bytes between slipway_ui_begin and slipway_ui_end.
  .section .rodata
  .global slipway_ui_begin
  .global slipway_ui_end
  .balign 64
slipway_ui_begin:
  .incbin SLIPWAY_UI_PACK
slipway_ui_end:
  .byte 0
  .section .note.GNU-stack,"",@progbits
