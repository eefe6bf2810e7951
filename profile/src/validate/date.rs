//! The birthday (rule 5).

use chrono::NaiveDate;
use kit::FieldErrors;

/// The earliest birthday that is believed.
const EARLIEST: NaiveDate = match NaiveDate::from_ymd_opt(1900, 1, 1) {
    Some(date) => date,
    None => panic!("the first day of 1900"),
};

/// A real date written `YYYY-MM-DD`, from 1900 on, not after `today`.
pub fn date(
    name: &'static str,
    given: &str,
    today: NaiveDate,
    errors: &mut FieldErrors,
) -> Option<NaiveDate> {
    let given = given.trim();
    if given.is_empty() {
        return None;
    }
    let plain = given.len() == 10 && given.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let Some(date) = plain.then(|| given.parse().ok()).flatten() else {
        errors.add(name, "must be a date that exists, written YYYY-MM-DD");
        return None;
    };
    if date < EARLIEST {
        errors.add(name, format!("must not be before {EARLIEST}"));
    } else if date > today {
        errors.add(name, "must not be in the future");
    }
    Some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthday_exists_and_lies_between_1900_and_today() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (given, good) in [
            ("1900-01-01", true),
            ("2012-02-29", true),
            ("2026-03-02", true),
            (" 2012-02-28 ", true),
            ("", true),
            ("1899-12-31", false),
            ("2026-03-03", false),
            ("2027-02-29", false),
            ("2012-2-29", false),
            ("2012-02-29T00:00:00Z", false),
            ("29.02.2012", false),
            ("+012-02-29", false),
            ("-012-02-29", false),
            ("20120229", false),
            ("２012-02-29", false),
            ("yesterday", false),
        ] {
            let mut errors = FieldErrors::default();
            let date = date("dob", given, day("2026-03-02"), &mut errors);
            assert_eq!(errors.names().is_empty(), good, "{given:?}");
            if good {
                assert_eq!(date, given.trim().parse().ok(), "{given:?}");
            }
        }
    }
}
