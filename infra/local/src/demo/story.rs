//! The story, in the order in which it is told.

use super::{
    checks::Checks, client::Caller, file::SchoolFile, message, mistake, next::Places, parent, retention,
    school, summary, text::part, upload,
};
use crate::{error::Result, stack::Stack};

/// How many parts the story has.
const PARTS: usize = 10;

/// What everybody in the story needs.
#[derive(Debug)]
pub struct Demo<'a> {
    /// The stack it is told on.
    pub stack: &'a Stack,
    /// The school's file and its figures.
    pub file: &'a SchoolFile,
    /// The figures looked at so far.
    pub checks: Checks,
    /// The API, called by nobody in particular.
    pub anybody: Caller,
    /// How many parts the texts have, as the preview said.
    pub sms_parts: usize,
}

/// How the story ended.
#[derive(Debug)]
pub struct Ending {
    /// Every figure looked at.
    pub checks: Checks,
    /// Where to go on from here.
    pub places: Places,
}

/// Tells it. An error is something that ended it early; figures that are wrong are in the ending.
pub async fn tell(stack: &Stack, file: &SchoolFile) -> Result<Ending> {
    let anybody = Caller::anybody(stack.api_url())?;
    let mut demo = Demo { stack, file, checks: Checks::default(), anybody, sms_parts: 0 };

    part(1, PARTS, "A school joins")?;
    let school = school::take_on(&mut demo).await?;
    part(2, PARTS, "The office sends the school's file")?;
    let upload = upload::first(&mut demo, &school).await?;
    part(3, PARTS, "The office sends the same file again")?;
    upload::again(&mut demo, &school).await?;
    part(4, PARTS, "An export breaks off, and the safety stop holds it")?;
    let held = mistake::held(&mut demo, &school).await?;
    part(5, PARTS, "A file that looks harmless is wrong, and the office takes it back")?;
    mistake::undone(&mut demo, &school).await?;
    part(6, PARTS, "A mother proves who she is")?;
    let mother = parent::prove(&mut demo, &school).await?;
    parent::refuse(&mut demo, &school).await?;
    part(7, PARTS, "A sender looks at who a message to Years 3 and 4 would reach")?;
    message::preview(&mut demo, &school).await?;
    part(8, PARTS, "The message is sent, once")?;
    let sent = message::send(&mut demo, &school).await?;
    part(9, PARTS, "The same request arrives again, as after a lost connection")?;
    message::send_again(&mut demo, &school, &sent).await?;
    part(10, PARTS, "What nobody needs any more is erased")?;
    retention::forget(&mut demo, &school, &mother, &held).await?;

    summary::print(&mut demo, &sent)?;
    demo.no_task_is_lost().await?;
    let places = Places {
        api_url: stack.api_url().to_owned(),
        school_id: school.id.clone(),
        upload_id: upload,
        message_id: sent.message_id,
        session: mother.session.token().to_owned(),
    };
    Ok(Ending { checks: demo.checks, places })
}

impl Demo<'_> {
    /// Whatever could not be done would lie in a dead-letter queue.
    async fn no_task_is_lost(&mut self) -> Result<()> {
        for queue in ["Uploads", "Fanout", "SendUrgent", "SendRoutine", "Sweep"] {
            let (waiting, _) = self.stack.sqs_depth(&format!("{queue}DeadLetterQueueUrl")).await?;
            self.checks.equal(&format!("tasks given up on by the queue {queue}"), &0, &waiting)?;
        }
        Ok(())
    }

    /// Waits until these queues hold nothing and nobody works on anything from them. In the order in which work moves
    /// from one to the next: what is not in the first any more has reached the second.
    pub async fn queues_empty(&self, queues: &[&str]) -> Result<()> {
        for queue in queues {
            let url = format!("{queue}QueueUrl");
            crate::stack::eventually(&format!("the queue {queue} is empty"), super::DEADLINE, async || {
                Ok((self.stack.sqs_depth(&url).await? == (0, 0)).then_some(()))
            })
            .await?;
        }
        Ok(())
    }
}
