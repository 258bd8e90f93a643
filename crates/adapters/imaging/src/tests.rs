//! All tests share one set of pictures, so they stand together.

mod colours;
mod corpus;
mod fixtures;
mod hostile;
mod jpegs;
mod pool;
mod selection;
mod upright;
mod vp8l;
mod webps;
