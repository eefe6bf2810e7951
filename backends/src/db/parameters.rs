//! Statements that become one: their parameters are numbered through.

use std::borrow::Cow;

/// The statement with every `$n` outside of quotes raised by `by`.
pub(super) fn renumbered(sql: &str, by: usize) -> Cow<'_, str> {
    if by == 0 || !sql.contains('$') {
        return Cow::Borrowed(sql);
    }
    let mut out = String::with_capacity(sql.len() + 16);
    let (mut quote, mut rest) = (None, sql);
    while let Some(at) = rest.find(['$', '\'', '"']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let sign = from.as_bytes()[0];
        rest = &from[1..];
        out.push(char::from(sign));
        match quote {
            Some(open) if sign == open => quote = None,
            None if sign != b'$' => quote = Some(sign),
            None => {
                let end = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                if let Ok(number) = rest[..end].parse::<usize>() {
                    out.push_str(&(number + by).to_string());
                    rest = &rest[end..];
                }
            }
            Some(_) => {}
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::renumbered;

    #[test]
    fn parameters_are_raised_and_what_stands_in_quotes_is_not() {
        assert_eq!(
            renumbered(
                "INSERT INTO t VALUES ($1, '$2 it''s $3', $10, \"$4\", $2)",
                7
            ),
            "INSERT INTO t VALUES ($8, '$2 it''s $3', $17, \"$4\", $9)"
        );
        assert_eq!(renumbered("SELECT '$' || $1", 1), "SELECT '$' || $2");
    }

    proptest! {
        #[test]
        fn raising_twice_is_raising_by_the_sum(parts in prop::collection::vec(("[a-z ,()]{0,8}", 1usize..200), 0..12), a in 0usize..50, b in 0usize..50) {
            let sql: String = parts.iter().map(|(text, n)| format!("{text} ${n}")).collect();
            let expected: String = parts.iter().map(|(text, n)| format!("{text} ${}", n + a + b)).collect();
            let once = renumbered(&sql, a);
            prop_assert_eq!(renumbered(&once, b), expected);
        }
    }
}
