//! What people are told about verifications, in words that give nothing away: neither who asked, nor which child, nor whom the
//! school keeps away. They are read on lock screens and in shared mailboxes.

/// A short message: the subject serves e-mail alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// To the school's office: a claim waits for it.
pub fn review(reference: &str) -> Notice {
    Notice {
        subject: "Bookbag: a parent waits for your decision".to_owned(),
        text: format!(
            "Somebody has asked to be known as a parent, and your data alone does not settle it. Please look at the claims that wait for review in Bookbag. Reference: {reference}"
        ),
    }
}

/// To the school's office: somebody whom it keeps away has tried.
pub fn alert(reference: &str) -> Notice {
    Notice {
        subject: "Bookbag: somebody who may not have access has tried".to_owned(),
        text: format!(
            "Somebody whom your data keeps away from a child, or denies responsibility, has asked to be known as a parent with facts that fit. They were given no access and not told why. Please look at the alerts in Bookbag. Reference: {reference}"
        ),
    }
}

/// To the other contacts of a child: an account was linked.
pub fn linked(school: &str) -> Notice {
    Notice {
        subject: format!("A new account for a family at {school}"),
        text: format!(
            "Somebody who is registered at {school} as a contact of your family has opened a Bookbag account. If you did not expect this, call the school's office."
        ),
    }
}

/// To whoever holds an account: another device has signed in to it.
pub fn new_device(school: &str) -> Notice {
    Notice {
        subject: "A new device has signed in to your Bookbag account".to_owned(),
        text: format!(
            "Another device has signed in to your Bookbag account. If that was not you, end all sessions in the app and call the office of {school}."
        ),
    }
}
