//! How many parts a text is charged as: reckoned here once more, to hold the preview's figure against.

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿\
                     abcdefghijklmnopqrstuvwxyzäöñüà";

/// One part holds 160 letters of the telephone alphabet and one of several 153; a single letter outside it (ł, or ë)
/// makes that 70 and 67. The texts of the demo hold no letter that counts twice.
pub fn parts(text: &str) -> usize {
    let (one, many) = if text.chars().all(|letter| BASIC.contains(letter)) { (160, 153) } else { (70, 67) };
    let letters = text.chars().count();
    if letters <= one { 1 } else { letters.div_ceil(many) }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_letter_outside_the_alphabet_makes_parts_shorter() {
        for (text, expected) in
            [("a".repeat(160), 1), ("a".repeat(161), 2), ("ë".repeat(70), 1), ("ë".repeat(71), 2)]
        {
            assert_eq!(parts(&text), expected);
        }
    }
}
