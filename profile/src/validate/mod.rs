//! What a profile may consist of (spec/profile.md rules 4 to 6 and 8). Each check brings a value into the form in which it is
//! kept, or adds to the errors; a blank one is none, because forms send blanks for what nobody filled in.

mod date;
mod locale;
mod preferences;
mod text;

pub use date::date;
pub use locale::{language, time_zone};
pub use preferences::{BYTES_MAX, DEPTH_MAX, preferences};
pub use text::{Lines, text};

/// Most characters of a first or last name, a city, a state and a country.
pub const NAME_MAX: usize = 100;
/// Most characters of a display name.
pub const DISPLAY_NAME_MAX: usize = 80;
/// Most characters of the pronouns.
pub const PRONOUNS_MAX: usize = 40;
/// Most characters of a postal code.
pub const ZIP_CODE_MAX: usize = 20;
/// Most characters of a telephone number.
pub const PHONE_MAX: usize = 40;
/// Most characters of an address.
pub const ADDRESS_MAX: usize = 500;
/// Most characters of what somebody writes about themselves.
pub const BIO_MAX: usize = 2000;
