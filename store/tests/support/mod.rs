//! What the store's tests share. It asserts nothing.

#[macro_use]
pub mod database;
