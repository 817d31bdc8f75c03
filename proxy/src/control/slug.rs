//! A user name made from what people call a device.
//!
//! Short, lower case and typable on a printer's panel; whether it is free is not asked here.

/// Long enough to be told apart, short enough for a panel with two buttons.
const MAX_SLUG: usize = 32;

/// `Scanner 2nd floor` becomes `scanner-2nd-floor`.
pub(crate) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        match plain(letter) {
            "" if letter.is_ascii_alphanumeric() => slug.push(letter),
            "" if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            plain => slug.push_str(plain),
        }
        if slug.len() >= MAX_SLUG {
            break;
        }
    }
    slug.truncate(MAX_SLUG);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "device" } else { slug }.to_owned()
}

/// The `count`th user name for the same slug: the first is the slug itself.
pub(crate) fn numbered(slug: &str, count: usize) -> String {
    if count <= 1 {
        return slug.to_owned();
    }
    let tail = format!("-{count}");
    let head = slug.get(..MAX_SLUG - tail.len()).unwrap_or(slug);
    format!("{}{tail}", head.trim_end_matches('-'))
}

/// Letters of western languages without their marks; everything else separates words.
fn plain(letter: char) -> &'static str {
    match letter {
        'ä' | 'æ' => "ae",
        'ö' | 'ø' | 'œ' => "oe",
        'ü' => "ue",
        'ß' => "ss",
        'à' | 'á' | 'â' | 'ã' | 'å' => "a",
        'ç' | 'č' | 'ć' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'ę' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ł' => "l",
        'ñ' | 'ń' => "n",
        'ò' | 'ó' | 'ô' | 'õ' => "o",
        'š' | 'ś' => "s",
        'ù' | 'ú' | 'û' => "u",
        'ž' | 'ź' | 'ż' => "z",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_devices() {
        for (name, expected) in [
            ("Scanner 2nd floor", "scanner-2nd-floor"),
            ("  HP  LaserJet (M479) #2 ", "hp-laserjet-m479-2"),
            ("Drucker Büro Süß", "drucker-buero-suess"),
            ("日本語", "device"),
            ("", "device"),
            (
                "Ticket system of the customer service",
                "ticket-system-of-the-customer-se",
            ),
        ] {
            assert_eq!(slug(name), expected, "{name:?}");
        }
        assert_eq!(numbered("scanner", 1), "scanner");
        assert_eq!(numbered("scanner", 2), "scanner-2");
        assert_eq!(
            numbered(&"a".repeat(32), 12),
            format!("{}-12", "a".repeat(29))
        );
    }

    proptest! {
        #[test]
        fn any_name_gives_a_user_name_that_can_be_typed(name in ".{0,80}", count in 0usize..999) {
            for slug in [slug(&name), numbered(&slug(&name), count)] {
                prop_assert!(!slug.is_empty() && slug.len() <= MAX_SLUG);
                prop_assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
                prop_assert!(!slug.starts_with('-') && !slug.ends_with('-'));
            }
        }
    }
}
