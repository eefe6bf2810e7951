//! Language and time zone (rule 6).

use chrono_tz::Tz;
use icu_locale_core::Locale;
use kit::FieldErrors;

/// Longest tag that is looked at.
const TAG_MAX: usize = 35;

/// The languages of two letters (ISO 639-1), which is how tags name every language that has such a code.
const TWO_LETTERS: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en \
    eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km \
    kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi \
    pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur \
    uz ve vi vo wa wo xh yi yo za zh zu";

/// A BCP 47 tag in its usual spelling: `DE-ch` is `de-CH`. A language of two letters has to be one there is; of those of
/// three letters, of which there are thousands, the form is judged.
pub fn language(name: &'static str, given: &str, errors: &mut FieldErrors) -> Option<String> {
    let given = given.trim();
    if given.is_empty() {
        return None;
    }
    let tag = (given.len() <= TAG_MAX && !given.contains('_'))
        .then(|| given.parse::<Locale>().ok())
        .flatten()
        .filter(|locale| {
            let language = locale.id.language;
            match language.as_str().len() {
                2 => TWO_LETTERS
                    .split_whitespace()
                    .any(|known| known == language.as_str()),
                3 => !locale.id.language.is_unknown(),
                _ => false,
            }
        });
    if tag.is_none() {
        errors.add(name, "must be a language tag as \"en\" or \"de-CH\"");
    }
    tag.map(|locale| locale.to_string())
}

/// A name of the IANA time zone database.
pub fn time_zone(name: &'static str, given: &str, errors: &mut FieldErrors) -> Option<String> {
    let given = given.trim();
    if given.is_empty() {
        return None;
    }
    let zone = given.parse::<Tz>().ok();
    if zone.is_none() {
        errors.add(name, "must be a time zone as \"Europe/Zurich\"");
    }
    zone.map(|zone| zone.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag_in_its_usual_spelling() {
        for (given, kept) in [
            ("en", "en"),
            (" DE-ch ", "de-CH"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("gsw", "gsw"),
            ("es-419", "es-419"),
            ("de-1996", "de-1996"),
        ] {
            let mut errors = FieldErrors::default();
            assert_eq!(
                language("language", given, &mut errors).as_deref(),
                Some(kept)
            );
            assert!(errors.names().is_empty(), "{given}");
        }
        for bad in [
            "xx",
            "qq-DE",
            "und",
            "english",
            "e",
            "en-",
            "en--US",
            "de_CH",
            "de-CH-",
            "*",
            "en\0",
            "en, de",
            "deutsch",
            "ｅｎ",
            &"en-abcdefgh".repeat(9),
        ] {
            let mut errors = FieldErrors::default();
            language("language", bad, &mut errors);
            assert_eq!(errors.names(), ["language"], "{bad}");
        }
    }

    #[test]
    fn the_list_of_languages_is_sorted_and_each_stands_once() {
        let list: Vec<_> = TWO_LETTERS.split_whitespace().collect();
        assert!(list.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(list.len(), 185);
    }

    #[test]
    fn a_time_zone_is_a_name_of_the_database() {
        for given in ["Europe/Zurich", "UTC", "America/Argentina/Ushuaia"] {
            let mut errors = FieldErrors::default();
            assert_eq!(
                time_zone("time_zone", given, &mut errors).as_deref(),
                Some(given)
            );
            assert!(errors.names().is_empty());
        }
        for bad in ["Europe/Atlantis", "CET+1", "+01:00", "europe/zurich", "\0"] {
            let mut errors = FieldErrors::default();
            time_zone("time_zone", bad, &mut errors);
            assert_eq!(errors.names(), ["time_zone"], "{bad}");
        }
    }
}
