//! A message rendered for one recipient. Rendering and escaping are ours, whichever carrier it goes to.

use super::{
    audience::Recipient,
    sms,
    store::Content,
    template::{self, Fields},
};
use crate::person::{Person, store::Directory};

/// What one recipient's placeholders stand for.
pub fn fields(directory: &Directory, recipient: &Recipient, school_name: &str) -> Fields {
    // Somebody else may read a shared contact point: "Parent or carer" is true of both.
    let named = directory.person(recipient.person).filter(|_| recipient.also.is_empty());
    let children = recipient.pupils.iter().filter_map(|pupil| directory.person(*pupil));
    fields_of(named, children, school_name)
}

/// What the placeholders stand for to one reader, of these children.
pub fn fields_of<'a>(
    reader: Option<&Person>,
    children: impl Iterator<Item = &'a Person>,
    school_name: &str,
) -> Fields {
    let given = |person: &Person| {
        let name = person.called();
        if name.given().is_empty() { name.expose() } else { name.given().to_owned() }
    };
    let mut children: Vec<_> = children.map(given).collect();
    children.dedup();
    let name = reader
        .map(|person| person.name.expose())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "Parent or carer".to_owned());
    Fields { child: template::join_names(&children), name, school: school_name.to_owned() }
}

/// Subject and text in the inbox, which says by itself which school and which children it is about. Without a subject, the
/// text's beginning stands for it.
pub fn app(content: &Content, fields: &Fields) -> (String, String) {
    let subject = match content.subject.as_deref().map(str::trim) {
        Some(subject) if !subject.is_empty() => subject.to_owned(),
        _ => super::post::title(content),
    };
    (template::fill(&subject, fields), template::fill(&content.body, fields))
}

/// Subject, plain text and HTML of an e-mail. A text that does not name the children itself ends with them, so that a
/// parent of several knows whom it is about; the subject never names them unless the sender wrote so.
pub fn email(content: &Content, fields: &Fields) -> (String, String, String) {
    let subject = template::fill(content.subject.as_deref().unwrap_or_default(), fields)
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let mut text = template::fill(&content.body, fields);
    if !fields.child.is_empty() && !template::names_child(&content.body) {
        text.push_str("\n\nThis message is about ");
        text.push_str(&fields.child);
        text.push('.');
    }
    text.push_str("\n\n-- \n");
    text.push_str(&fields.school);
    let html = html(&text);
    (subject, text, html)
}

/// The text of an SMS, which names the children at its end if it does not do so itself.
pub fn sms(content: &Content, fields: &Fields) -> String {
    let mut text = template::fill(&content.body, fields);
    if !fields.child.is_empty() && !template::names_child(&content.body) {
        text.push_str("\nFor: ");
        text.push_str(&fields.child);
    }
    sms::plain(text.trim())
}

/// Plain text as HTML: everything escaped, blank lines between paragraphs.
fn html(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
        .replace('\r', "");
    let paragraphs = escaped
        .split("\n\n")
        .map(|paragraph| format!("<p>{}</p>", paragraph.trim_matches('\n').replace('\n', "<br>")));
    format!(
        "<!doctype html><html lang=\"en-GB\"><body style=\"font-family:sans-serif\">{}</body></html>",
        paragraphs.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(body: &str) -> Content {
        Content {
            subject: Some("Hello ((school))".into()),
            body: body.into(),
            audience: super::super::audience::Audience::default(),
        }
    }

    #[test]
    fn text_is_escaped_and_names_the_children() {
        let fields = Fields {
            child: "Ann and Ben".into(),
            name: "Mrs <b>Smith</b>".into(),
            school: "Oakfield".into(),
        };
        let (subject, text, html) = email(&content("Dear ((name)),\n\nsee <https://example.com>"), &fields);
        assert_eq!(subject, "Hello Oakfield");
        assert_eq!(
            text,
            "Dear Mrs <b>Smith</b>,\n\nsee <https://example.com>\n\nThis message is about Ann and Ben.\n\n-- \nOakfield"
        );
        assert!(
            html.contains("<p>Dear Mrs &lt;b&gt;Smith&lt;/b&gt;,</p><p>see &lt;https://example.com&gt;</p>")
                && !html.contains("<b>")
        );
        assert_eq!(sms(&content("Closed today\u{2026}"), &fields), "Closed today...\nFor: Ann and Ben");
        assert_eq!(sms(&content("((child)): closed"), &fields), "Ann and Ben: closed");
    }
}
