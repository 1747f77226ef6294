//! The gateway's tables. The gateway is their only writer; nothing here decides who gets a key.

pub mod lanes;
pub mod releases;
pub mod sessions;
pub mod signed;
pub mod trainings;

#[cfg(test)]
mod tests;
