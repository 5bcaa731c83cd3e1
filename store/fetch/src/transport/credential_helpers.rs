//! Credential helpers and askpass, which are programs: asked as git asks them, under the limits of the fetch.
//!
//! gix knows which programs there are and how each is started, but waits for them without an end.
//!
//! A helper runs in a process group of its own, and is ended with it when the time of the fetch is used up, when it prints
//! too much, or when the user asks to stop. One that ended well may leave something running: that is how
//! `git credential-cache` works. When a person may be asked, a helper stays in our group, which is the one that may read
//! from the terminal, and keeps our standard error.
//!
//! Limits: a question of our own on the terminal is waited for without an end; Ctrl-C ends it.

use std::{process::Command, time::Instant};

use gix::{
    credentials::{
        Program,
        helper::{Action, Cascade, Outcome as Answer},
        protocol::{Context, Outcome, helper_outcome_to_result},
    },
    prompt::{Mode, Options as Prompt},
};
use modstore_core::{
    Cancel,
    program::{Manner, ProgramError, Running, Stderr},
};

use super::{pace::Pace, watch::Watch};
use crate::{
    errors::{LoginError, TransportError},
    limits::{Limits, LowSpeed},
};

/// No login is longer than this.
const MOST: usize = 64 * 1024;

/// Asks the programs of `cascade` in turn, as gix's own `Cascade::invoke` does, and then a person, if `prompt` allows that.
pub(crate) fn invoke(
    mut cascade: Cascade,
    mut action: Action,
    mut prompt: Prompt,
    interactive: bool,
) -> gix::Result<Option<Outcome>> {
    let helpers = Helpers::new(interactive, cascade.stderr);
    if let Some(context) = action.context_mut() {
        context.options = cascade.context_options;
        context.write_to(std::io::sink()).map_err(gix::Error::from_error)?;
        context.destructure_url_in_place(cascade.use_http_path)?;
        if cascade.query_user_only && context.password.is_none() {
            context.password = Some(String::new());
        }
    }
    let mut url = action.context_mut().and_then(|context| context.url.take());
    for program in std::mem::take(&mut cascade.programs) {
        let Some(printed) = helpers.ask(&program, &action)? else { continue };
        let Some(context) = action.context_mut() else { continue };
        let said = Context::from_bytes(&printed, cascade.context_options)?;
        let is_last = said.quit == Some(true);
        if let Some(new) = learn(context, said, cascade.use_http_path)? {
            url = Some(new);
        }
        if context.username.is_some() && context.password.is_some() {
            break;
        }
        if is_last {
            context.quit = Some(true);
            break;
        }
    }
    let Some(context) = action.context_mut().filter(|_| prompt.mode != Mode::Disable) else {
        return outcome(action);
    };
    context.url = url;
    helpers.ask_pass(context, prompt.askpass.take().as_deref());
    // With no programs left, gix asks on the terminal for what is still missing.
    cascade.invoke(action, prompt)
}

/// Takes what a helper said into what is known; gives the address if it named another.
fn learn(
    known: &mut Context,
    said: Context,
    use_http_path: bool,
) -> gix::Result<Option<gix::bstr::BString>> {
    let Context { protocol, host, path, username, password, oauth_refresh_token, .. } = said;
    known.path = path.or(known.path.take());
    known.password_expiry_utc = said.password_expiry_utc.or(known.password_expiry_utc);
    for (new, old) in [
        (protocol, &mut known.protocol),
        (host, &mut known.host),
        (username, &mut known.username),
        (password, &mut known.password),
        (oauth_refresh_token, &mut known.oauth_refresh_token),
    ] {
        *old = new.or(old.take());
    }
    let mut url = None;
    if said.url.is_some() {
        known.url = said.url;
        url = known.destructure_url_in_place(use_http_path)?.url.take();
    }
    if known.password_expiry_utc.is_some_and(|expiry| expiry < gix::date::Time::now_utc().seconds) {
        known.password_expiry_utc = None;
        known.clear_secrets();
    }
    Ok(url)
}

fn outcome(mut action: Action) -> gix::Result<Option<Outcome>> {
    if let Some(context) = action.context_mut()
        && context.username.is_some()
        && context.password.is_some()
    {
        context.www_authenticate.clear();
    }
    let answer = action.context().map(|context| Answer {
        username: context.username.clone(),
        password: context.password.clone(),
        oauth_refresh_token: context.oauth_refresh_token.clone(),
        quit: context.quit.unwrap_or(false),
        next: context.to_owned().into(),
    });
    helper_outcome_to_result(answer, action)
}

/// How programs are asked.
struct Helpers {
    watch: std::sync::Arc<Watch>,
    manner: Manner,
}

impl Helpers {
    fn new(interactive: bool, stderr: bool) -> Self {
        // Outside of a connection there is no watch, and the usual limits apply.
        let watch = Watch::current().unwrap_or_else(|| {
            let limits = Limits::default();
            let pace = Pace::new(&limits, LowSpeed::default()).into();
            Watch::new(Cancel::new(), &limits, Default::default(), pace)
        });
        let stderr = if interactive && stderr { Stderr::Ours } else { Stderr::Nowhere };
        let manner =
            Manner { shares_our_group: interactive, may_leave_others: true, stderr, most: MOST };
        Self { watch, manner }
    }

    /// What a helper printed; nothing, if it failed by itself.
    fn ask(&self, program: &Program, action: &Action) -> gix::Result<Option<Vec<u8>>> {
        let mut input = Vec::new();
        action.send(&mut input).map_err(gix::Error::from_error)?;
        match self.run(program.to_command(action)?, &input) {
            Ok(printed) => Ok(printed.filter(|_| action.expects_output())),
            // A login that cannot be remembered, or forgotten, is no reason to fail.
            Err(_) if !action.expects_output() => Ok(None),
            Err(error) => Err(gix::Error::from_error(error)),
        }
    }

    /// Asks askpass, where there is one, for what is missing.
    fn ask_pass(&self, context: &mut Context, askpass: Option<&std::path::Path>) {
        let Some(askpass) = askpass else { return };
        let ask = |context: &Context, what: &str| {
            let mut command = Command::new(askpass);
            command.arg(context.to_prompt(what));
            let printed = self.run(command, b"").ok().flatten()?;
            let text = String::from_utf8(printed).ok()?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            Some(line.strip_suffix('\r').unwrap_or(line).to_owned())
        };
        if context.username.is_none() {
            context.username = ask(context, "Username");
        }
        if context.password.is_none() && context.username.is_some() {
            context.password = ask(context, "Password");
        }
    }

    /// What the program printed, if it ended well; an error is one that ends the fetch.
    fn run(&self, command: Command, input: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        let begun = Instant::now();
        let cancel = self.watch.cancel();
        let limit = self.watch.time_left()?;
        let running = Running { input, limit, cancel, told: &|_| {}, ends_with_us: false };
        let ran = running.run_as(command, self.manner);
        self.watch.spend(begun.elapsed());
        let error: TransportError = match ran {
            Ok(ran) => return Ok(ran.status.success().then_some(ran.stdout)),
            Err(ProgramError::Cancelled { .. }) => TransportError::Cancelled,
            Err(ProgramError::TimedOut { program, limit, .. }) => {
                let seconds = limit.as_secs_f64().ceil();
                LoginError::Helper(format!("{program} gave no answer within {seconds} s")).into()
            }
            Err(error @ ProgramError::TooMuch { .. }) => {
                LoginError::Helper(error.to_string()).into()
            }
            Err(error) => return Err(std::io::Error::other(error)),
        };
        // The error kept so far says that the server wants a login; this one says why there is none.
        self.watch.take_error();
        Err(self.watch.fail(error))
    }
}
