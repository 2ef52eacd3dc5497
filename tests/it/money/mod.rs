//! Money: a value is exact or told, and the same whatever the format of its source.

mod floats;
mod formats;
mod losses;
mod rows;
