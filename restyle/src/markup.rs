//! Subtitles with markup as the text that containers store.

use crate::container::TextStyle;

/// Whether these are SSA or ASS subtitles.
pub fn is_styled(caps: &gst::CapsRef) -> bool {
    matches!(kind(caps), "application/x-ssa" | "application/x-ass")
}

/// Whether these are subtitles of nothing but text and markup.
pub fn is_plain(caps: &gst::CapsRef) -> bool {
    kind(caps) == "text/x-raw"
}

/// Whether these are subtitles of any kind of text.
pub fn is_text(caps: &gst::CapsRef) -> bool {
    is_plain(caps) || is_styled(caps)
}

fn kind(caps: &gst::CapsRef) -> &str {
    caps.structure(0)
        .map_or("", |structure| structure.name().as_str())
}

/// Turns a subtitle in Pango markup into text: tags go, apart from those that the style has, and
/// entities become the characters they stand for.
pub fn to_text(markup: &str, style: TextStyle) -> String {
    let mut text = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (token, after) = match rest.find(if rest.starts_with('<') { '>' } else { ';' }) {
            Some(end) => rest.split_at(end + 1),
            // Nothing is closed: the character stands for itself.
            None => ("", rest),
        };
        if token.starts_with('<') {
            if style == TextStyle::Tagged && is_subrip_tag(token) {
                text.push_str(token);
            }
            rest = after;
        } else if let Some(character) = entity(token) {
            text.push(character);
            rest = after;
        } else {
            text.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    text
}

fn is_subrip_tag(tag: &str) -> bool {
    matches!(tag, "<b>" | "</b>" | "<i>" | "</i>" | "<u>" | "</u>")
}

fn entity(token: &str) -> Option<char> {
    let name = token.strip_prefix('&')?.strip_suffix(';')?;
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_has_no_tags_and_no_entities() {
        let markup = "<i>Tom</i> &amp; <span foreground=\"red\">J&#233;rry</span>\nsay &lt;3";
        assert_eq!(to_text(markup, TextStyle::Plain), "Tom & Jérry\nsay <3");
    }

    #[test]
    fn tagged_text_keeps_what_subrip_knows() {
        let markup = "<i>Tom</i> <span>x</span>";
        assert_eq!(to_text(markup, TextStyle::Tagged), "<i>Tom</i> x");
    }

    #[test]
    fn what_is_not_markup_stays() {
        assert_eq!(to_text("<i>R</i> & <b>D</b>", TextStyle::Plain), "R & D");
        for text in ["2 < 3", "R&D", "R&D; yes", "", "&#x110000;"] {
            assert_eq!(to_text(text, TextStyle::Plain), text);
        }
    }
}
