//! `watch`: takes the terminal over, feeds the view, does what it asks for, and gives the terminal back.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use crossterm::event::Event;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, LocalBoxStream, StreamExt, pending, unfold};
use maas_crd::{Iid, Namespace};
use maas_store::{Mirror, Node, Store, mirror};
use ratatui::DefaultTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::connection::{Part, open};
use super::logs::{Followed, POLL, Reading};
use super::{rollout, scale};
use crate::args::Watch;
use crate::node_http::LogDirectory;
use crate::output;
use crate::settings::Settings;
use crate::view::draw::{Look, Tops, draw};
use crate::view::keys::{Effect, Request};
use crate::view::model::Place;
use crate::view::state::{Outcome, Page, State};

/// Shortest time between two drawings; changes that come meanwhile are drawn together.
const FRAME: Duration = Duration::from_millis(30);
/// How long an edit that is under way may take after the user quit.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines of a log that are shown at first.
const TAIL: usize = 1_000;

/// Shows the view until the user, or a signal, ends it.
pub(crate) async fn watch(settings: &Settings, args: Watch) -> anyhow::Result<ExitCode> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!(
            "watch fills a screen and reads keys, so it needs a terminal; `maasctl get models -w` prints changes as lines"
        );
    }
    if std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
        bail!(
            "watch needs a terminal that can be drawn on, and TERM says it is none; `maasctl get models -w` prints changes as lines"
        );
    }
    let scope = (!args.all_namespaces).then(|| settings.namespace());
    let store = open(settings).await?;
    let mut screen = Screen::open()?;
    let size = screen.0.size().context("cannot tell the terminal's size")?;
    let mut state = State::new(settings.quorum.clone(), settings.root.clone(), scope, (size.width, size.height));
    let mut work = FuturesUnordered::new();
    let ended = run(settings, &store, &mut screen, &mut state, &mut work).await;
    drop(screen);
    // An edit that was confirmed is not given up because its author looks away.
    while let Ok(Some(outcome)) = timeout(PATIENCE, work.next()).await {
        if let Outcome::Done(Ok(said) | Err(said)) = outcome {
            output::note(&output::printable(&said));
        }
    }
    ended
}

/// The terminal, taken over. Dropping it gives it back; so does a panic.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> anyhow::Result<Self> {
        match ratatui::try_init() {
            Ok(terminal) => {
                // Ratatui's own gives all back but the cursor; where a panic aborts, nothing is dropped.
                let give_back = std::panic::take_hook();
                std::panic::set_hook(Box::new(move |panic| {
                    let _ = crossterm::execute!(std::io::stdout(), crossterm::cursor::Show);
                    give_back(panic);
                }));
                output::held::begin();
                Ok(Self(terminal))
            }
            Err(error) => {
                // As far as it was taken.
                let _ = ratatui::try_restore();
                Err(error).context("cannot take the terminal over")
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = self.0.show_cursor();
        // A panic has given it back before its words; a second time, they would be written over.
        if !std::thread::panicking() {
            let _ = ratatui::try_restore();
        }
        output::held::end();
    }
}

/// What was asked for and is not done yet.
type Work<'a> = FuturesUnordered<LocalBoxFuture<'a, Outcome>>;

async fn run<'a>(
    settings: &Settings,
    store: &'a Store,
    screen: &mut Screen,
    state: &mut State,
    work: &mut Work<'a>,
) -> anyhow::Result<ExitCode> {
    let look = Look { colour: output::color::stdout() };
    let mut tops = Tops::default();
    let mut keys = keys();
    let mut ended = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let mut hung_up = signal(SignalKind::hangup()).context("cannot wait for signals")?;
    let mut changes = follow(store, state.scope.as_ref());
    let mut reading: LocalBoxStream<'_, Outcome> = pending().boxed_local();
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut changed, mut drawn) = (true, Instant::now() - FRAME);
    loop {
        if changed && drawn.elapsed() >= FRAME {
            let now_ms = output::now_ms();
            screen.0.draw(|frame| draw(frame, state, &mut tops, look, now_ms)).context("cannot draw")?;
            (changed, drawn) = (false, Instant::now());
        }
        tokio::select! {
            event = keys.recv() => match event {
                Some(Ok(Event::Key(key))) => match state.key(key) {
                    Some(Effect::Quit) => return Ok(ExitCode::SUCCESS),
                    Some(Effect::Redraw) => screen.0.clear().context("cannot draw")?,
                    Some(Effect::Follow(scope)) => {
                        changes = follow(store, scope.as_ref());
                        state.rescope(scope);
                    }
                    Some(Effect::Log { of, iid, file }) => reading = output_of(settings, state, &of, iid, file),
                    Some(Effect::Request(request)) => work.push(ask(store, request)),
                    None => {}
                },
                Some(Ok(Event::Resize(width, height))) => state.size = (width, height),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(error).context("cannot read keys"),
                None => return Ok(ExitCode::SUCCESS),
            },
            change = changes.next() => state.take(change, output::now_ms()),
            Some(outcome) = work.next(), if !work.is_empty() => state.outcome(outcome),
            Some(outcome) = reading.next() => state.outcome(outcome),
            _ = second.tick() => {}
            () = sleep_until(drawn + FRAME), if changed => continue,
            // As a shell would report it.
            _ = ended.recv() => return Ok(ExitCode::from(128 + 15)),
            _ = interrupted.recv() => return Ok(ExitCode::from(128 + 2)),
            _ = hung_up.recv() => return Ok(ExitCode::from(128 + 1)),
        }
        if !matches!(state.page, Page::Log(_)) {
            reading = pending().boxed_local();
        }
        changed = true;
    }
}

/// Keys and sizes, read by a thread of its own: crossterm 0.29 never comes back from reading a terminal that is gone, and
/// must not keep us from hearing the signal that says so.
fn keys() -> mpsc::Receiver<std::io::Result<Event>> {
    let (sender, keys) = mpsc::channel(64);
    // It ends with the process: nothing wakes it but a key.
    std::thread::spawn(move || {
        loop {
            let event = crossterm::event::read();
            let failed = event.is_err();
            if sender.blocking_send(event).is_err() || failed {
                return;
            }
        }
    });
    keys
}

/// Everything that the view shows of a namespace, or of all.
fn follow(store: &Store, scope: Option<&Namespace>) -> Mirror {
    let parts = [Part::Specs, Part::Status, Part::Instances, Part::Endpoints, Part::Events];
    let leader = store.path(&Node::Leader);
    mirror(store, parts.iter().map(|part| part.path(store, scope)).chain([leader]).collect())
}

/// Does what was asked for.
fn ask(store: &Store, request: Request) -> LocalBoxFuture<'_, Outcome> {
    Box::pin(async move {
        match request {
            Request::Namespaces => {
                let found = namespaces(store).await.context("reading the namespaces failed");
                Outcome::Namespaces(found.map_err(worded))
            }
            Request::Scale { of, replicas } => {
                let done = scale::set(store, &of.namespace, &of.name, replicas).await;
                Outcome::Done(told(done, &of, "scaled"))
            }
            Request::Restart { of } => {
                let done = rollout::restart_now(store, &of.namespace, &of.name).await;
                Outcome::Done(told(done, &of, "restarted"))
            }
        }
    })
}

/// What became of an edit, in the words of its verb.
fn told(done: anyhow::Result<()>, of: &Place, verb: &str) -> Result<String, String> {
    match done {
        Ok(()) => Ok(format!("modeldeployment.maas/{} {verb}", of.name)),
        Err(error) => Err(format!("{} was not {verb}: {error:#}", of.name)),
    }
}

async fn namespaces(store: &Store) -> anyhow::Result<Vec<Namespace>> {
    let names = store.children(&Part::Specs.path(store, None)).await?.unwrap_or_default();
    // What is no namespace was not made by any part of maas.
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The output of one instance as it comes, for as long as it is asked for. What can't be read now is tried again.
fn output_of(
    settings: &Settings,
    state: &State,
    of: &Place,
    iid: Iid,
    file: &'static str,
) -> LocalBoxStream<'static, Outcome> {
    let mut instances = state.instances(of).into_iter();
    let runner = instances.find(|instance| instance.iid == iid).and_then(|instance| instance.runner);
    let directory = match runner {
        None => Err(format!("instance {iid} has no container yet, so nothing was written")),
        Some(runner) => match runner.node_http {
            None => Err(format!("instance {iid} does not say where its NodeManager answers")),
            Some(node) => LogDirectory::new(&node, &runner.container, settings).map_err(worded),
        },
    };
    match directory {
        Err(why) => futures::stream::iter([Outcome::Output(Err(why))]).chain(pending()).boxed_local(),
        Ok(directory) => unfold((Followed::new(directory), Duration::ZERO), move |(mut followed, pause)| async move {
            sleep(pause).await;
            let read = followed.step(&Reading::tail(file, TAIL)).await.map_err(worded);
            Some((Outcome::Output(read), (followed, POLL)))
        })
        .boxed_local(),
    }
}

fn worded(error: anyhow::Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::termios::{LocalModes, tcgetattr};

    use super::Screen;

    /// Run by the test below, in a terminal of its own.
    #[test]
    #[ignore = "is run by another test, in a terminal"]
    fn panics_on_the_screen() {
        let screen = Screen::open().unwrap();
        crate::output::note("said meanwhile");
        panic!("on purpose, at {:?}", screen.0.size().unwrap());
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let (mut pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let words = ["commands::watch::tests::panics_on_the_screen", "--exact", "--ignored", "--nocapture"];
        let command = pty_process::blocking::Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(words).env("TERM", "xterm").env("RUST_BACKTRACE", "0").spawn(pts).unwrap();
        let mut raw = Vec::new();
        // The system reports a program that has ended as an error.
        let _ = pty.read_to_end(&mut raw);
        assert!(!child.wait().unwrap().success());
        let mut parser = vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 0);
        let raw = String::from_utf8(raw).unwrap();
        assert!(raw.contains("\u{1b}[?1049h"), "it had the screen: {raw:?}");
        let (shown, told) = (raw.find("\u{1b}[?25h").unwrap(), raw.find("on purpose").unwrap());
        assert!(shown < told, "the cursor is there although nothing is dropped: {raw:?}");
        parser.process(raw.as_bytes());
        let (screen, text) = (parser.screen(), parser.screen().contents());
        assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{raw:?}");
        assert!(text.contains("on purpose, at Size") && text.contains("said meanwhile"), "{raw:?}");
        let modes = tcgetattr(&pty).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG), "{modes:?}");
    }
}
