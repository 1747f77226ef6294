//! One file a theme.

mod hostile;
mod lanes;
mod reading;
mod refusals;
mod rights;
mod settling;
