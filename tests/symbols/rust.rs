// SPDX-License-Identifier: Apache-2.0
//! rust: functions, methods of a type and of a trait, generic ones
use std::ffi::{c_char, c_int};
use std::hint::black_box;

extern "C" {
    fn note(name: *const c_char, line: c_int);
}

pub mod shop {
    use super::*;
    pub struct Cart {
        pub things: Vec<u32>,
    }
    impl Cart {
        #[inline(never)]
        pub fn add(&mut self, thing: u32) {
            unsafe { note(c"rust::shop::Cart::add".as_ptr(), line!() as c_int) };
            black_box(());
            self.things.push(thing);
        }
    }
    pub trait Price {
        fn price(&self) -> u32;
    }
    impl Price for Cart {
        #[inline(never)]
        fn price(&self) -> u32 {
            unsafe { note(c"<rust::shop::Cart as rust::shop::Price>::price".as_ptr(), line!() as c_int) };
            black_box(());
            self.things.iter().sum()
        }
    }
}

#[inline(never)]
fn plain(n: u32) -> u32 {
    unsafe { note(c"rust::plain".as_ptr(), line!() as c_int) };
    black_box(());
    n + 1
}

#[no_mangle]
pub extern "C" fn rust_entry(n: u32) -> u32 {
    use shop::Price;
    let mut cart = shop::Cart { things: vec![] };
    cart.add(plain(n));
    unsafe { note(c"rust::rust_entry".as_ptr(), line!() as c_int) };
    black_box(());
    cart.price()
}
