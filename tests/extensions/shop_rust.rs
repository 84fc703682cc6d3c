// SPDX-License-Identifier: Apache-2.0
//! shop_rust: a Rust library that Python calls by ctypes: it takes memory and calls back.
pub mod shelf {
    #[inline(never)]
    pub fn put(bytes: usize) -> Vec<u8> {
        std::hint::black_box(Vec::with_capacity(bytes))
    }
}

#[no_mangle]
pub extern "C" fn order(customer: extern "C" fn(usize) -> i32, bytes: usize) -> i32 {
    std::mem::forget(shelf::put(bytes));
    customer(bytes + 1) + 1
}
