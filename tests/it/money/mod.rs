//! Money: a value is exact or told, and the same whatever the format of its source.

mod formats;
mod losses;
mod rows;
