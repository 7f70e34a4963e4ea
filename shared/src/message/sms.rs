//! How a text message is counted: GSM 03.38 letters, or UCS-2 as soon as one letter is outside that set.

/// The most parts one message may have: 6 x 153 = 918 letters, the limit of GOV.UK Notify.
pub const MAX_PARTS: usize = 6;

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENDED: &str = "^{}\\[~]|€\u{c}";

/// How often a text is charged: 160 letters in one part or 153 in each of several; 70 or 67 in UCS-2. A letter of the
/// extension table takes two places, and neither an escape pair nor a surrogate pair is split between parts.
pub fn parts(text: &str) -> usize {
    let gsm: Option<Vec<usize>> = text
        .chars()
        .map(|c| if BASIC.contains(c) { Some(1) } else { EXTENDED.contains(c).then_some(2) })
        .collect();
    let (widths, one, many) = match gsm {
        Some(widths) => (widths, 160, 153),
        None => (text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    if widths.iter().sum::<usize>() <= one {
        return 1;
    }
    let mut parts = 1;
    let mut used = 0;
    for width in widths {
        if used + width > many {
            parts += 1;
            used = 0;
        }
        used += width;
    }
    parts
}

/// What word processors put in place of plain letters, put back; nothing that a person wrote on purpose changes.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| !crate::person::name::is_invisible(*c)).fold(
        String::with_capacity(text.len()),
        |mut out, c| {
            match c {
                '\u{2018}' | '\u{2019}' | '\u{201b}' => out.push('\''),
                '\u{201c}' | '\u{201d}' => out.push('"'),
                '\u{2013}' | '\u{2014}' | '\u{2212}' => out.push('-'),
                '\u{2026}' => out.push_str("..."),
                '\u{a0}' | '\u{202f}' | '\t' => out.push(' '),
                '\r' => {}
                c => out.push(c),
            }
            out
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_gsm_03_38() {
        for (text, count) in [
            (String::new(), 1),
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("a".repeat(918), 6),
            ("a".repeat(919), 7),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            // 153 places hold 76 pairs and one place over: the pair is not split, so 153 pairs need three parts, not two.
            ("€".repeat(153), 3),
            ("ë".to_owned() + &"a".repeat(69), 1),
            ("ë".to_owned() + &"a".repeat(70), 2),
            ("😀".repeat(35), 1),
            ("😀".repeat(36), 2),
            // 67 units hold 33 surrogate pairs and one over.
            ("😀".repeat(67), 3),
        ] {
            assert_eq!(parts(&text), count, "{} letters", text.chars().count());
        }
    }

    #[test]
    fn plain_text_keeps_what_was_meant() {
        assert_eq!(plain("\u{201c}It\u{2019}s\u{201d} 3\u{2013}4\u{2026}\u{a0}Zoë"), "\"It's\" 3-4... Zoë");
    }
}
