//! Fields of a line: separated outside quotes, with quotes and escapes removed.

use super::lines::shortened;

/// How a format quotes its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoting {
    /// ARFF: single or double quotes, inside which a backslash stands before a character that stands for itself.
    Backslash,
    /// CSV (RFC 4180): double quotes, doubled where they stand for themselves.
    Doubled,
}

/// Splits a line at a separator that stands outside quotes. Fields keep their quotes; see [`unquoted`].
pub(crate) fn split(text: &str, separator: char, quoting: Quoting) -> Result<Vec<&str>, String> {
    let (mut fields, mut begin, mut quote, mut escaped) = (Vec::new(), 0, None, false);
    for (at, character) in text.char_indices() {
        let fresh = text[begin..at].trim().is_empty();
        if escaped {
            escaped = false;
        } else if quote.is_some() {
            if quote == Some(character) {
                quote = None;
            }
            escaped = character == '\\' && quoting == Quoting::Backslash;
        } else if character == '"' && quoting == Quoting::Doubled && (fresh || text[begin..at].ends_with('"'))
        {
            quote = Some('"');
        } else if (character == '"' || character == '\'') && quoting == Quoting::Backslash {
            quote = Some(character);
        } else if character == separator {
            fields.push(text[begin..at].trim());
            begin = at + separator.len_utf8();
        }
    }
    if quote.is_some() {
        return Err(format!(
            "found a quote without its end after `{}`, expected both on one line; close it",
            shortened(text[begin..].trim())
        ));
    }
    fields.push(text[begin..].trim());
    Ok(fields)
}

/// The first word of a text, which may stand in quotes, and the rest.
pub(crate) fn first_word(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''));
    let Some(quote) = quote else {
        let (word, rest) = text.split_once(char::is_whitespace)?;
        return Some((word.into(), rest.trim()));
    };
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, character)| {
        let closes = character == quote && !escaped;
        escaped = character == '\\' && !escaped;
        closes
    });
    let (end, _) = end?;
    Some((unescaped(&text[1..end]), text[end + 1..].trim()))
}

/// The text of a field without its quotes and escapes.
pub(crate) fn unquoted(field: &str, quoting: Quoting) -> String {
    match quoting {
        Quoting::Doubled => match field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inside) => inside.replace("\"\"", "\""),
            None => field.into(),
        },
        Quoting::Backslash => {
            let inside = ['\'', '"']
                .into_iter()
                .find_map(|quote| field.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)));
            inside.map_or_else(|| field.into(), unescaped)
        }
    }
}

/// A backslash before a character stands for the character, `\n` and `\t` for a line feed and a tab.
fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some(next) => plain.push(next),
                None => plain.push('\\'),
            },
            (other, false) => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_inside_quotes_and_escaped_quotes_do_not_split() {
        let arff = |text| {
            let fields = split(text, ',', Quoting::Backslash).unwrap();
            fields.into_iter().map(|field| unquoted(field, Quoting::Backslash)).collect::<Vec<_>>()
        };
        assert_eq!(arff(r"1, 'a, b' ,'it\'s', c\~d"), ["1", "a, b", "it's", r"c\~d"]);
        let csv = |text| {
            let fields = split(text, ',', Quoting::Doubled).unwrap();
            fields.into_iter().map(|field| unquoted(field, Quoting::Doubled)).collect::<Vec<_>>()
        };
        assert_eq!(csv(r#"1,"a, ""b""",it's,"#), ["1", "a, \"b\"", "it's", ""]);
        assert!(split("1,'a", ',', Quoting::Backslash).unwrap_err().contains("without its end"));
        assert!(split("1,\"a", ',', Quoting::Doubled).unwrap_err().contains("without its end"));
    }

    #[test]
    fn a_name_may_stand_in_quotes_with_escapes() {
        assert_eq!(first_word(r"'it\'s one' {0,1}"), Some(("it's one".into(), "{0,1}")));
        assert_eq!(first_word("plain\t{0,1}"), Some(("plain".into(), "{0,1}")));
        assert_eq!((first_word("'open {0,1}"), first_word("alone")), (None, None));
    }
}
