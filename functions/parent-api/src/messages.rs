//! A parent's inbox: what their schools write about their children, by whichever channel.
//!
//! A page is one query of each school's posts and one read of the parent's own acknowledgements, of a fixed size whatever the
//! schools write: see [`inbox`]. Who may see a message is decided here and now, from the links. What is not for the parent is
//! answered like what never was. Reading acknowledges nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::{
    http::{Answer, ApiError, Problem, Request},
    id::{MessageId, PersonId},
    message::{
        Purpose,
        inbox::{self, Position, Read, page},
        post::{About, Child, Post, sent},
        render,
        store::{Acknowledgement, Message},
        template::{self, Fields},
    },
    person::Person,
    store::{
        key::{self, Key, TableName},
        table::{Condition, Item, StoreError, Write},
    },
    time,
    verify::session::Parent,
};

use crate::{
    App,
    view::{View, views},
};

/// A message as one contact sees it.
struct Seen<'a> {
    view: &'a View,
    message: MessageId,
    purpose: Purpose,
    title: String,
    /// The post that shows it, the newest of several.
    post: u32,
    children: Vec<(PersonId, &'a Person)>,
}

/// What a contact sees of a message by some of its posts: number, and what it says.
fn see<'a, 'b>(
    view: &'a View,
    message: MessageId,
    posts: impl Iterator<Item = (u32, &'b About)>,
) -> Option<Seen<'a>> {
    let sent = sent(message, &view.tenant.school.time_zone);
    let mut seen: Option<Seen<'_>> = None;
    for (post, about) in posts {
        let children: Vec<_> = view
            .children()
            .filter(|(id, person)| {
                let link = view.directory.link(*id, view.contact_id);
                link.is_some_and(|link| about.is_for(sent, view.contact_id, Child { id: *id, person, link }))
            })
            .collect();
        if !children.is_empty() {
            let first = || Seen {
                view,
                message,
                purpose: about.purpose,
                title: about.title.clone(),
                post,
                children: Vec::new(),
            };
            seen.get_or_insert_with(first).children.extend(children);
        }
    }
    seen
}

/// Posts as read: each with its place, and with what it says.
fn open(view: &View, items: Vec<Item>) -> Result<Vec<(Position, About)>, ApiError> {
    let open = |item: Item| {
        let post: Post = item.read()?;
        let at = Position { message: post.message_id, number: post.number };
        Ok((at, post.about(&view.tenant.key)?))
    };
    items.into_iter().map(open).collect()
}

/// When each message was acknowledged first: an account may stand for two contacts of a school.
async fn acknowledged(app: &App, keys: Vec<Key>) -> Result<BTreeMap<MessageId, Timestamp>, ApiError> {
    let keys = keys.into_iter().map(|key| (TableName::Messaging, key));
    let mut first = BTreeMap::new();
    for item in app.tables.batch_get(keys.collect()).await? {
        let one: Acknowledgement = item.read()?;
        let at = first.entry(one.message_id).or_insert(one.acknowledged_at);
        *at = one.acknowledged_at.min(*at);
    }
    Ok(first)
}

/// Where a contact's acknowledgement of a message lies.
fn key_of(seen: &Seen<'_>) -> Key {
    key::acknowledgement(seen.view.tenant.id(), seen.message, seen.view.contact_id)
}

/// The message in the list, and all but the text of it alone.
fn body(
    first: &Seen<'_>,
    children: &Children<'_>,
    subject: &str,
    acknowledged_at: Option<&Timestamp>,
) -> Value {
    let school = &first.view.tenant.school;
    json!({
        "message_id": first.message, "school_id": school.school_id, "school_name": school.name, "purpose": first.purpose,
        "subject": subject, "created_at": time::rfc3339(first.message.made_at()), "children": children.keys().collect::<Vec<_>>(),
        "acknowledged_at": acknowledged_at.map(|at| time::rfc3339(*at)),
    })
}

/// One's own children whom a message is about, each once.
type Children<'a> = BTreeMap<PersonId, &'a Person>;

fn children<'a>(seen: &[Seen<'a>]) -> Children<'a> {
    seen.iter().flat_map(|seen| seen.children.iter().copied()).collect()
}

fn fields(first: &Seen<'_>, children: &Children<'_>) -> Fields {
    let reader = first.view.directory.person(first.view.contact_id);
    render::fields_of(reader, children.values().copied(), &first.view.tenant.school.name)
}

/// `GET /v1/me/messages`, newest first. A page may be short, or empty, and others follow.
pub async fn list(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let (size, before) = (request.page_size()?, request.cursor::<Position>()?);
    let views = views(app, parent).await?;
    let limit = (inbox::POSTS / views.len().max(1)).max(1);
    let mut reads = Vec::new();
    for (of, view) in views.iter().enumerate() {
        let school = view.tenant.id();
        let before = before.map(|before| key::post(school, before.message, before.number).sk);
        let count = i32::try_from(limit).map_err(ApiError::internal)?;
        let partition = key::posts_partition(school);
        let items =
            app.tables.latest(TableName::Messaging, &partition, key::POSTS, before.as_deref(), count).await?;
        let more = items.len() == limit;
        let posts = open(view, items)?.into_iter().map(|(at, about)| (at, (of, about)));
        reads.push(Read { posts: posts.collect(), more });
    }
    let page = page(reads, size, |message, posts| {
        let seen = views.iter().enumerate().filter_map(|(number, view)| {
            let of = posts.iter().filter(|(_, (of, _))| *of == number);
            see(view, message, of.map(|(at, (_, about))| (at.number, about)))
        });
        let seen: Vec<_> = seen.collect();
        (!seen.is_empty()).then_some(seen)
    });
    let acknowledged =
        acknowledged(app, page.items.iter().flat_map(|(_, seen)| seen).map(key_of).collect()).await?;
    let items = page.items.iter().filter_map(|(message, seen)| {
        let (first, children) = (seen.first()?, children(seen));
        let subject = template::fill(&first.title, &fields(first, &children));
        Some(body(first, &children, &subject, acknowledged.get(message)))
    });
    let next = page.next.map(|next| next.to_string());
    Answer::json(200, json!({"items": items.collect::<Vec<_>>(), "next_cursor": next}))
}

/// What the parent sees of the message that the request names: by one contact at least.
async fn find<'a>(app: &App, views: &'a [View], message: MessageId) -> Result<Vec<Seen<'a>>, ApiError> {
    let mut seen = Vec::new();
    for view in views {
        let (partition, posts) = (key::posts_partition(view.tenant.id()), key::posts_of(message));
        let posts = open(view, app.tables.query(TableName::Messaging, &partition, &posts).await?)?;
        seen.extend(see(view, message, posts.iter().map(|(at, about)| (at.number, about))));
    }
    if seen.is_empty() { Err(Problem::not_found().into()) } else { Ok(seen) }
}

/// `GET /v1/me/messages/{message_id}`: the text, with one's own children's names only.
pub async fn get(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let message_id: MessageId = request.path("message_id")?;
    let views = views(app, parent).await?;
    let seen = find(app, &views, message_id).await?;
    let first = seen.first().ok_or_else(Problem::not_found)?;
    let tenant = &first.view.tenant;
    let message: Option<Message> = app.tables.get(key::message(tenant.id(), message_id)).await?;
    let message = message.filter(|message| !message.stopped).ok_or_else(Problem::not_found)?;
    let children = children(&seen);
    let (subject, text) = render::app(&message.content(&tenant.key)?, &fields(first, &children));
    let acknowledged = acknowledged(app, seen.iter().map(key_of).collect()).await?;
    let mut body = body(first, &children, &subject, acknowledged.get(&message_id));
    body["text"] = text.into();
    Answer::json(200, body)
}

/// `POST /v1/me/messages/{message_id}/acknowledgement`: once is as good as twice, and the first time is kept.
pub async fn acknowledge(app: &App, parent: &Parent, request: &Request) -> Result<Answer, ApiError> {
    let message_id: MessageId = request.path("message_id")?;
    let views = views(app, parent).await?;
    for seen in find(app, &views, message_id).await? {
        let school_id = seen.view.tenant.id();
        let one = Acknowledgement {
            school_id,
            message_id,
            contact_id: seen.view.contact_id,
            acknowledged_at: time::now(),
        };
        // With the post, so that a message that is being stopped or erased leaves no acknowledgement behind.
        let post = key::post(school_id, message_id, seen.post);
        let writes = vec![
            Write::put(&one, Condition::Absent)?,
            Write::check(TableName::Messaging, post, Condition::Present),
        ];
        match app.tables.transact(writes).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => {
                let before: Option<Acknowledgement> = app.tables.get(key_of(&seen)).await?;
                before.ok_or_else(Problem::not_found)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Answer::empty())
}
