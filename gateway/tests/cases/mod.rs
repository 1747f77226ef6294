//! One file a theme.

mod auditing;
mod hostile;
mod instances;
mod killing;
mod lanes;
mod reading;
mod refusals;
mod rights;
mod settling;
mod training;
mod training_ends;
mod training_refusals;
