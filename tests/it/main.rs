//! One integration binary over the real stack, in reading order: the source tree, the template, then a school's file in
//! and a message out. `cargo local test` starts the stack; each test makes a school of its own on it ([`world`]).

mod architecture;
mod bad_input;
mod carrier;
mod cells;
mod connectors;
mod crash;
mod delivery;
mod events;
mod export;
mod families;
mod formats;
mod grants;
mod identity;
mod ingest;
mod leavers;
mod messages;
mod one_or_two;
mod parents;
mod people;
mod preferences;
mod reach;
mod requests;
mod retention;
mod reviews;
mod sessions;
mod settings;
mod sheet;
mod support;
mod sync;
mod template;
mod undo;
mod world;
