//! Placeholders in a sender's text: `((child))`, `((name))`, `((school))`. Nothing else is replaced, nothing is run.

/// What can be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The given names of the children the message is about: `Ann and Ben`.
    Child,
    /// The recipient's own name.
    Name,
    /// The school's name.
    School,
}

impl Placeholder {
    fn read(name: &str) -> Option<Self> {
        match name.trim().to_lowercase().as_str() {
            "child" | "children" => Some(Self::Child),
            "name" => Some(Self::Name),
            "school" => Some(Self::School),
            _ => None,
        }
    }
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Known(Placeholder),
    Unknown(&'a str),
}

/// What the placeholders of one recipient stand for.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// See [`Placeholder::Child`].
    pub child: String,
    /// See [`Placeholder::Name`].
    pub name: String,
    /// See [`Placeholder::School`].
    pub school: String,
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("((") {
        let Some((name, behind)) = after.split_once("))") else { break };
        parts.push(Part::Text(before));
        parts.push(Placeholder::read(name).map_or(Part::Unknown(name), Part::Known));
        rest = behind;
    }
    parts.push(Part::Text(rest));
    parts
}

/// The positions (among the text's placeholders) of those that are not known.
pub fn unknown_placeholders(text: &str) -> Vec<usize> {
    let placeholders = parts(text).into_iter().filter(|part| !matches!(part, Part::Text(_)));
    placeholders
        .enumerate()
        .filter(|(_, part)| matches!(part, Part::Unknown(_)))
        .map(|(index, _)| index)
        .collect()
}

/// The names of those that are not known, as the sender wrote them.
pub fn unknown_names(text: &str) -> Vec<String> {
    parts(text)
        .into_iter()
        .filter_map(|part| if let Part::Unknown(name) = part { Some(name.trim().to_owned()) } else { None })
        .collect()
}

/// Whether the text names the child by itself.
pub fn names_child(text: &str) -> bool {
    parts(text).contains(&Part::Known(Placeholder::Child))
}

/// The text with its placeholders filled in. An unknown one stays as written: it was refused before anything was sent.
pub fn fill(text: &str, fields: &Fields) -> String {
    parts(text).into_iter().fold(String::with_capacity(text.len()), |mut out, part| {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Known(Placeholder::Child) => out.push_str(&fields.child),
            Part::Known(Placeholder::Name) => out.push_str(&fields.name),
            Part::Known(Placeholder::School) => out.push_str(&fields.school),
            Part::Unknown(name) => {
                out.push_str("((");
                out.push_str(name);
                out.push_str("))");
            }
        }
        out
    })
}

/// `Ann`, `Ann and Ben`, `Ann, Ben and Cy`.
pub fn join_names(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_only_where_known() {
        let fields = Fields { child: "((name))".into(), name: "Mrs Smith".into(), school: "Oakfield".into() };
        assert_eq!(
            fill("Dear (( Name )), ((child)) at ((SCHOOL)): ((x)) ((", &fields),
            "Dear Mrs Smith, ((name)) at Oakfield: ((x)) (("
        );
        assert_eq!(unknown_placeholders("((child)) ((x)) ((y))"), [1, 2]);
        assert!(names_child("for ((children))") && !names_child("for (children)"));
    }

    #[test]
    fn names_are_joined_as_people_do() {
        let names: Vec<String> = ["Ann", "Ben", "Cy"].map(String::from).into();
        assert_eq!(
            [0, 1, 2, 3].map(|count| join_names(&names[..count])),
            ["", "Ann", "Ann and Ben", "Ann, Ben and Cy"]
        );
    }

    proptest! {
        #[test]
        fn text_without_placeholders_stays(text in "[^(]*") {
            prop_assert_eq!(fill(&text, &Fields::default()), text);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = fill(&text, &Fields::default());
        }
    }
}
