// Included before every source of the module with threads. Where a C++ exception is caught by its type, the compiler
// writes into __wasm_lpad_context which catch it is at, and Emscripten's C++ library answers there which handler fits.
// The library has one for each thread. Clang 14 declares it as a common variable unless the source has declared it, so
// that no answer would be seen and no typed catch would ever fit; later ones declare it for each thread themselves.
#pragma once

extern "C" {

struct FlashLandingPadContext {
    unsigned long landing_pad, table, selector;
};
extern __thread FlashLandingPadContext __wasm_lpad_context;

}  // extern "C"

/// Keeps the declaration until the compiler looks for one.
[[gnu::used]] static inline void* flash_landing_pad_context() { return &__wasm_lpad_context; }
