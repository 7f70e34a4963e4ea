//! One integration binary over the real stack, in reading order: the source tree, the template, then a school's file in
//! and a message out. `cargo local test` starts the stack; each test makes a school of its own on it ([`world`]).

mod architecture;
mod bad_input;
mod carrier;
mod connectors;
mod crash;
mod delivery;
mod events;
mod families;
mod grants;
mod ingest;
mod messages;
mod one_or_two;
mod parents;
mod people;
mod reach;
mod retention;
mod settings;
mod sheet;
mod template;
mod world;
