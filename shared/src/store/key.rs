//! Every key shape, in one place, frozen by a snapshot: stored keys are a public format.
//!
//! Everything of a school starts with its id. Ids and keyed hashes only: a key never holds personal data.

use jiff::civil::Date;

use crate::id::{
    AccountId, AuditId, ConnectorId, MessageId, PersonId, RequestId, SchoolId, SessionId, SupportId,
    UploadId, VerificationId,
};

/// Which of the four tables, by what it is for. Sealing binds to this name, not to the physical one, so that a
/// restored table can still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableName {
    /// Schools, people, links, uploads, connectors, what people have chosen and asked.
    Directory,
    /// Messages, chunks, outcomes, the audit, usage.
    Messaging,
    /// Claims, codes, accounts, sessions, limits.
    Access,
    /// Wrapped data keys.
    Keys,
}

impl TableName {
    /// The logical name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Messaging => "messaging",
            Self::Access => "access",
            Self::Keys => "keys",
        }
    }
}

/// Where an item lies in its table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// The partition of everything in a school's directory.
pub fn school_partition(school: SchoolId) -> String {
    format!("SCH#{school}")
}

/// directory: the school's own record.
pub fn school(school: SchoolId) -> Key {
    Key::new(school_partition(school), "SCHOOL")
}

/// Reads a [`school_partition`].
pub fn read_school(pk: &str) -> Option<SchoolId> {
    pk.strip_prefix("SCH#")?.parse().ok()
}

/// The reference under which the index lists every school.
pub const ALL_SCHOOLS: &str = "SCHOOLS";

/// directory: from the code that parents type to the school.
pub fn school_code(code: &str) -> Key {
    Key::new(format!("CODE#{code}"), "SCHOOL")
}

/// directory: one person.
pub fn person(school: SchoolId, person: PersonId) -> Key {
    Key::new(school_partition(school), format!("PER#{person}"))
}

/// directory: the tie between a pupil and a contact.
pub fn link(school: SchoolId, pupil: PersonId, contact: PersonId) -> Key {
    Key::new(school_partition(school), format!("LNK#{pupil}#{contact}"))
}

/// The sort-key prefix of all links of one pupil.
pub fn links_of(pupil: PersonId) -> String {
    format!("LNK#{pupil}#")
}

/// directory: that the office has deleted somebody. Sorts between links and people, so that one query reads all.
pub fn deleted_person(school: SchoolId, person: PersonId) -> Key {
    Key::new(school_partition(school), format!("{DELETED_PEOPLE}{person}"))
}

/// The sort-key prefix of whom the office has deleted.
pub const DELETED_PEOPLE: &str = "OUT#";

/// The sort-key range that holds every link and every person of a school, whom the office has deleted, and nothing else.
pub const PEOPLE_AND_LINKS: (&str, &str) = ("LNK#", "PER$");

/// The sort-key prefix of a school's people.
pub const PEOPLE: &str = "PER#";

/// Reads a [`person`] sort key.
pub fn read_person(sk: &str) -> Option<PersonId> {
    sk.strip_prefix("PER#")?.parse().ok()
}

/// Reads a [`link`] sort key: pupil and contact.
pub fn read_link(sk: &str) -> Option<(PersonId, PersonId)> {
    let (pupil, contact) = sk.strip_prefix("LNK#")?.split_once('#')?;
    Some((pupil.parse().ok()?, contact.parse().ok()?))
}

/// The index reference under which a contact's links are found.
pub fn contact_reference(school: SchoolId, contact: PersonId) -> String {
    format!("{}#CON#{contact}", school_partition(school))
}

/// The index reference under which pupils born on one day are found; `blind` is a keyed hash of the date.
pub fn birthday_reference(school: SchoolId, blind: &str) -> String {
    format!("{}#DOB#{blind}", school_partition(school))
}

/// directory: one upload. Sorts by time, because the id does.
pub fn upload(school: SchoolId, upload: UploadId) -> Key {
    Key::new(school_partition(school), format!("UPL#{upload}"))
}

/// The sort-key prefix of a school's uploads.
pub const UPLOADS: &str = "UPL#";

/// directory: one connector.
pub fn connector(school: SchoolId, connector: ConnectorId) -> Key {
    Key::new(school_partition(school), format!("CON#{connector}"))
}

/// The sort-key prefix of a school's connectors.
pub const CONNECTORS: &str = "CON#";

/// directory: what one person has chosen.
pub fn consents(school: SchoolId, person: PersonId) -> Key {
    Key::new(school_partition(school), format!("{CONSENTS}{person}"))
}

/// The sort-key prefix of a school's consents.
pub const CONSENTS: &str = "CNS#";

/// directory: the counter of their changes; sorts just before them, so that one query reads all.
pub fn consents_mark(school: SchoolId) -> Key {
    Key::new(school_partition(school), "CNS")
}

/// directory: what somebody asks under data protection law. Sorts by time, because the id does.
pub fn subject_request(school: SchoolId, request: RequestId) -> Key {
    Key::new(school_partition(school), format!("{SUBJECT_REQUESTS}{request}"))
}

/// The sort-key prefix of a school's subject requests.
pub const SUBJECT_REQUESTS: &str = "REQ#";

/// The index reference under which the requests that a contact made are found.
pub fn requests_of(school: SchoolId, contact: PersonId) -> String {
    format!("{}#REQ#{contact}", school_partition(school))
}

/// directory: the school's last retention run.
pub fn retention_run(school: SchoolId) -> Key {
    Key::new(school_partition(school), "RETENTION")
}

/// messaging: one message.
pub fn message(school: SchoolId, message: MessageId) -> Key {
    Key::new(school_partition(school), format!("MSG#{message}"))
}

/// The sort-key prefix of a school's messages.
pub const MESSAGES: &str = "MSG#";

/// The partition of the chunks of one message.
pub fn message_partition(school: SchoolId, message: MessageId) -> String {
    format!("{}#MSG#{message}", school_partition(school))
}

/// messaging: who a chunk is for. Written once.
pub fn roster(school: SchoolId, message: MessageId, chunk: u32) -> Key {
    Key::new(message_partition(school, message), format!("ROSTER#{chunk:06}"))
}

/// messaging: the small item that claims and outcomes touch.
pub fn chunk_state(school: SchoolId, message: MessageId, chunk: u32) -> Key {
    Key::new(message_partition(school, message), format!("STATE#{chunk:06}"))
}

/// messaging: the carrier's ids of one claim of a chunk. Written once.
pub fn carrier_ids(school: SchoolId, message: MessageId, chunk: u32, claim: u32) -> Key {
    Key::new(message_partition(school, message), format!("CARRIER#{chunk:06}#{claim:03}"))
}

/// messaging: the people a message left out, packed.
pub fn excluded(school: SchoolId, message: MessageId, page: u32) -> Key {
    Key::new(message_partition(school, message), format!("EXCLUDED#{page:06}"))
}

/// messaging: that a contact has acknowledged a message.
pub fn acknowledgement(school: SchoolId, message: MessageId, contact: PersonId) -> Key {
    Key::new(message_partition(school, message), format!("ACK#{contact}"))
}

/// The partition of what a school's parents find in their inboxes.
pub fn posts_partition(school: SchoolId) -> String {
    format!("{}#POSTS", school_partition(school))
}

/// messaging: a message as the inbox lists it. Sorts by time, because the id does.
pub fn post(school: SchoolId, message: MessageId, number: u32) -> Key {
    Key::new(posts_partition(school), format!("{}{number:06}", posts_of(message)))
}

/// The sort-key prefix of the posts of one message.
pub fn posts_of(message: MessageId) -> String {
    format!("POST#{message}#")
}

/// The sort-key prefix of all posts.
pub const POSTS: &str = "POST#";

/// The sort-key prefixes inside a message's partition.
pub const CHUNK_STATES: &str = "STATE#";
/// See [`roster`].
pub const ROSTERS: &str = "ROSTER#";
/// See [`excluded`].
pub const EXCLUDED: &str = "EXCLUDED#";
/// See [`acknowledgement`].
pub const ACKNOWLEDGEMENTS: &str = "ACK#";

/// The partition of who saw whose record at a school.
pub fn audit_partition(school: SchoolId) -> String {
    format!("{}#AUDIT", school_partition(school))
}

/// messaging: one entry of the audit. Sorts by time, because the id does.
pub fn audit(school: SchoolId, entry: AuditId) -> Key {
    Key::new(audit_partition(school), format!("AUD#{entry}"))
}

/// The sort-key prefix of the audit.
pub const AUDIT: &str = "AUD#";

/// The partition of how much a school is used.
pub fn usage_partition(school: SchoolId) -> String {
    format!("{}#USAGE", school_partition(school))
}

/// messaging: how often one route was used on one day.
pub fn usage(school: SchoolId, day: Date, route: &str) -> Key {
    Key::new(usage_partition(school), format!("{}{route}", usage_of(day)))
}

/// The sort-key prefix of one day's use.
pub fn usage_of(day: Date) -> String {
    format!("DAY#{day}#")
}

/// The sort-key prefix of all days' use.
pub const USAGE: &str = "DAY#";

/// access: one attempt to be verified.
pub fn verification(verification: VerificationId) -> Key {
    Key::new(format!("VER#{verification}"), "CLAIM")
}

/// access: a parent's account.
pub fn account(account: AccountId) -> Key {
    Key::new(format!("ACC#{account}"), "ACCOUNT")
}

/// access: which account belongs to a contact of a school.
pub fn account_of(school: SchoolId, contact: PersonId) -> Key {
    Key::new(school_partition(school), format!("ACC#{contact}"))
}

/// access: a session, with its account.
pub fn session(account: AccountId, session: SessionId) -> Key {
    Key::new(format!("ACC#{account}"), format!("SES#{session}"))
}

/// The sort-key prefix of an account's sessions.
pub const SESSIONS: &str = "SES#";

/// access: from the SHA-256 of a session's token, in hexadecimal, to the session.
pub fn session_token(token_hash: &str) -> Key {
    Key::new(format!("SES#{token_hash}"), "SESSION")
}

/// access: from a contact point to an account that was proved by it; `point` is a keyed hash.
pub fn login(point: &str, school: SchoolId, contact: PersonId) -> Key {
    Key::new(logins(point), format!("LOGIN#{school}#{contact}"))
}

/// The partition of everything that a contact point has proved.
pub fn logins(point: &str) -> String {
    format!("PNT#{point}")
}

/// access: a claim in the school's list. Sorts by time, because the id does.
pub fn review(school: SchoolId, verification: VerificationId) -> Key {
    Key::new(school_partition(school), format!("REV#{verification}"))
}

/// The sort-key prefix of a school's reviews.
pub const REVIEWS: &str = "REV#";

/// access: that somebody was told about a verification; `whom` is an id or a word.
pub fn told(verification: VerificationId, whom: &str) -> Key {
    Key::new(format!("VER#{verification}"), format!("TOLD#{whom}"))
}

/// access: which session a device's push token belongs to; `blind` is a keyed hash of it.
pub fn push_holder(blind: &str) -> Key {
    Key::new(format!("PSH#{blind}"), "HOLDER")
}

/// access: a call for help with the app.
pub fn support_request(support: SupportId) -> Key {
    Key::new(format!("SUP#{support}"), "SUPPORT")
}

/// access: a counter. `subject` is an id or a keyed hash.
pub fn limit(rule: &str, subject: &str, window: i64) -> Key {
    Key::new(format!("LIM#{rule}#{subject}"), format!("WINDOW#{window}"))
}

/// access: the answer to a request with an `Idempotency-Key`; `hash` is of staff member and key.
pub fn idempotency(school: &str, hash: &str) -> Key {
    Key::new(format!("IDEM#{school}"), format!("KEY#{hash}"))
}

/// keys: a school's wrapped data key.
pub fn school_key(school: SchoolId) -> Key {
    Key::new(school_partition(school), "KEY")
}

/// keys: the data key of the domain that belongs to no school (accounts, and hashes of source addresses).
pub fn accounts_key() -> Key {
    Key::new("ACCOUNTS", "KEY")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn key_shapes_are_frozen() {
        let at = Timestamp::UNIX_EPOCH;
        let (of, pupil, contact) =
            (SchoolId::new(at, &[1; 10]), PersonId::new(at, &[2; 10]), PersonId::new(at, &[3; 10]));
        let (file, sent) = (UploadId::new(at, &[4; 10]), MessageId::new(at, &[5; 10]));
        let (claim, parent) = (VerificationId::new(at, &[6; 10]), AccountId::new(at, &[7; 10]));
        let keys = [
            school(of),
            school_code("K7Q2-M4RT"),
            person(of, pupil),
            link(of, pupil, contact),
            deleted_person(of, contact),
            upload(of, file),
            connector(of, ConnectorId::new(at, &[8; 10])),
            consents(of, contact),
            consents_mark(of),
            subject_request(of, RequestId::new(at, &[9; 10])),
            retention_run(of),
            message(of, sent),
            roster(of, sent, 0),
            chunk_state(of, sent, 12),
            carrier_ids(of, sent, 3, 1),
            excluded(of, sent, 1),
            audit(of, AuditId::new(at, &[9; 10])),
            usage(of, jiff::civil::date(2026, 9, 1), "GET /v1/me"),
            acknowledgement(of, sent, contact),
            post(of, sent, 2),
            verification(claim),
            account(parent),
            account_of(of, contact),
            session(parent, SessionId::new(at, &[9; 10])),
            session_token("ab12"),
            login("cd34", of, contact),
            review(of, claim),
            told(claim, "school"),
            push_holder("ef56"),
            support_request(SupportId::new(at, &[9; 10])),
            limit("codes", "x", 42),
            idempotency("sch", "h"),
            school_key(of),
            accounts_key(),
        ];
        let text: Vec<_> =
            keys.iter().map(|key| format!("{} / {}", key.pk, key.sk).replace("0000000000007", "~")).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        SCH#sch_~1018101010101010101 / SCHOOL
        CODE#K7Q2-M4RT / SCHOOL
        SCH#sch_~1018101010101010101 / PER#per_~2028202020202020202
        SCH#sch_~1018101010101010101 / LNK#per_~2028202020202020202#per_~3038303030303030303
        SCH#sch_~1018101010101010101 / OUT#per_~3038303030303030303
        SCH#sch_~1018101010101010101 / UPL#upl_~4048404040404040404
        SCH#sch_~1018101010101010101 / CON#con_~8088808080808080808
        SCH#sch_~1018101010101010101 / CNS#per_~3038303030303030303
        SCH#sch_~1018101010101010101 / CNS
        SCH#sch_~1018101010101010101 / REQ#req_~9098909090909090909
        SCH#sch_~1018101010101010101 / RETENTION
        SCH#sch_~1018101010101010101 / MSG#msg_~5058505050505050505
        SCH#sch_~1018101010101010101#MSG#msg_~5058505050505050505 / ROSTER#000000
        SCH#sch_~1018101010101010101#MSG#msg_~5058505050505050505 / STATE#000012
        SCH#sch_~1018101010101010101#MSG#msg_~5058505050505050505 / CARRIER#000003#001
        SCH#sch_~1018101010101010101#MSG#msg_~5058505050505050505 / EXCLUDED#000001
        SCH#sch_~1018101010101010101#AUDIT / AUD#aud_~9098909090909090909
        SCH#sch_~1018101010101010101#USAGE / DAY#2026-09-01#GET /v1/me
        SCH#sch_~1018101010101010101#MSG#msg_~5058505050505050505 / ACK#per_~3038303030303030303
        SCH#sch_~1018101010101010101#POSTS / POST#msg_~5058505050505050505#000002
        VER#ver_~6068606060606060606 / CLAIM
        ACC#acc_~7078707070707070707 / ACCOUNT
        SCH#sch_~1018101010101010101 / ACC#per_~3038303030303030303
        ACC#acc_~7078707070707070707 / SES#ses_~9098909090909090909
        SES#ab12 / SESSION
        PNT#cd34 / LOGIN#sch_~1018101010101010101#per_~3038303030303030303
        SCH#sch_~1018101010101010101 / REV#ver_~6068606060606060606
        VER#ver_~6068606060606060606 / TOLD#school
        PSH#ef56 / HOLDER
        SUP#sup_~9098909090909090909 / SUPPORT
        LIM#codes#x / WINDOW#42
        IDEM#sch / KEY#h
        SCH#sch_~1018101010101010101 / KEY
        ACCOUNTS / KEY
        ");
    }

    #[test]
    fn link_and_person_keys_read_back_and_share_a_range() {
        let at = Timestamp::UNIX_EPOCH;
        let (s, p, c) =
            (SchoolId::new(at, &[1; 10]), PersonId::new(at, &[2; 10]), PersonId::new(at, &[255; 10]));
        assert_eq!(read_link(&link(s, p, c).sk), Some((p, c)));
        assert_eq!(read_person(&person(s, c).sk), Some(c));
        for sk in [link(s, p, c).sk, person(s, c).sk, deleted_person(s, c).sk] {
            assert!(sk.as_str() >= PEOPLE_AND_LINKS.0 && sk.as_str() <= PEOPLE_AND_LINKS.1);
        }
        let connector = connector(s, ConnectorId::new(at, &[255; 10])).sk;
        let others = [school(s), upload(s, UploadId::new(at, &[0; 10])), retention_run(s), consents(s, c)];
        let request = subject_request(s, RequestId::new(at, &[0; 10])).sk;
        for sk in others.map(|key| key.sk).into_iter().chain([connector, request]) {
            assert!(sk.as_str() < PEOPLE_AND_LINKS.0 || sk.as_str() > PEOPLE_AND_LINKS.1, "{sk}");
        }
    }
}
