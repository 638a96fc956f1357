//! Attempts of a step: its timeout, and how often it is tried.

use super::Context;
use crate::{
    engine::Cancel,
    fault::{Failure, Fault},
    spec::model::Step,
};

/// Does the work of a step until it succeeds, fails in a way that another attempt does not change, or was tried as often
/// as the file says. Each attempt has the step's timeout.
pub fn attempts<T>(
    context: &Context<'_>,
    step: &Step,
    mut work: impl FnMut(&Cancel) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut attempt = 0;
    loop {
        let cancel = context.options.cancel.within(step.timeout);
        let fault = match work(&cancel) {
            Ok(done) => return Ok(done),
            Err(fault) => fault,
        };
        let (fault, again) = match fault {
            Fault::Cancelled if cancel.is_late() && !context.options.cancel.is_cancelled() => {
                let limit = step.timeout.unwrap_or_default();
                (Fault::Failed(Failure::Other(format!("it took longer than its timeout of {limit:?}"))), true)
            }
            Fault::Failed(failure) => {
                let again = failure.may_pass();
                (Fault::Failed(failure), again)
            }
            other => (other, false),
        };
        attempt += 1;
        if !again || attempt > step.retries {
            return Err(fault);
        }
        tracing::warn!(step = %step.name, attempt, %fault, "failed, trying again");
    }
}
