//! What a parent may see at this moment, read from the school's own links at every request.

use shared::{
    http::{ApiError, Problem},
    id::{PersonId, SchoolId},
    person::{Person, guardianship::Link, store::Directory},
    school::{School, Tenant, TenantError},
    store::key::{self, TableName},
    time,
    verify::session::Parent,
};

use crate::App;

/// How long a pupil who left every list is still shown: a bad export is usually mended within days.
const GRACE_DAYS: i64 = 7;

/// One contact of one school that the parent has shown to be, with the children seen through it.
pub struct View {
    /// The school.
    pub tenant: Tenant,
    /// Who the parent is there.
    pub contact_id: PersonId,
    /// The contact, the pupils tied to them, and the ties.
    pub directory: Directory,
}

impl View {
    /// The children that this contact may see now.
    pub fn children(&self) -> impl Iterator<Item = (PersonId, &Person)> {
        let now = time::now();
        let limit = now - time::days(GRACE_DAYS);
        let today = time::date_in(&self.tenant.school.time_zone, now);
        let mine = |(pupil, contact, link): (PersonId, PersonId, &Link)| {
            (contact == self.contact_id && link.may_hold_account()).then_some(pupil)
        };
        self.directory
            .visible_links()
            .filter_map(mine)
            .filter_map(|pupil| Some((pupil, self.directory.person(pupil)?)))
            .filter(move |(_, person)| person.missing_since.is_none_or(|since| since > limit))
            // Of who has left, from the next day on; of who has died, at once: no reminder.
            .filter(move |(_, person)| !person.deceased && person.leaves_on.is_none_or(|last| today <= last))
    }
}

/// Whether a school has suppressed the contact point by which a session began: perhaps it was the stranger who has the number now.
fn is_shut(parent: &Parent, school: &School) -> bool {
    let proved = &parent.session.proved;
    proved.school_id == school.school_id && school.suppressed.has(&proved.point)
}

/// Refuses such a session what ends other sessions, or the account.
pub async fn refuse_shut(app: &App, parent: &Parent) -> Result<(), ApiError> {
    match app.tables.get::<School>(key::school(parent.session.proved.school_id)).await? {
        Some(school) if is_shut(parent, &school) => Err(Problem::unauthorised().into()),
        Some(_) | None => Ok(()),
    }
}

/// What the parent may see at this moment. A school whose contract has ended shows nothing.
pub async fn views(app: &App, parent: &Parent) -> Result<Vec<View>, ApiError> {
    let mut views = Vec::new();
    for (school, contact) in parent.account.contacts() {
        let tenant = match Tenant::load(&app.tables, &app.keyring, school).await {
            Ok(tenant) => tenant,
            Err(TenantError::NotActive) => continue,
            Err(error) => return Err(error.into()),
        };
        if is_shut(parent, &tenant.school) {
            return Ok(Vec::new());
        }
        if let Some(view) = view(app, tenant, school, contact).await? {
            views.push(view);
        }
    }
    Ok(views)
}

async fn view(
    app: &App,
    tenant: Tenant,
    school: SchoolId,
    contact_id: PersonId,
) -> Result<Option<View>, ApiError> {
    let links: Vec<_> = app
        .tables
        .find(TableName::Directory, &key::contact_reference(school, contact_id))
        .await?
        .iter()
        .filter_map(|key| key::read_link(&key.sk))
        .collect();
    let mut people: Vec<_> = links.iter().map(|(pupil, _)| *pupil).collect();
    people.push(contact_id);
    // The index only says where to look: rights are read from the links themselves, strongly consistent.
    let directory = Directory::pick(&app.tables, &tenant, &people, &links).await?;
    // Whoever has died signs in no more: somebody else holds the telephone.
    let is_alive = directory.person(contact_id).is_some_and(|contact| !contact.deceased);
    Ok(is_alive.then_some(View { tenant, contact_id, directory }))
}
