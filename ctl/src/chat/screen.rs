//! Runs the chat on the whole terminal.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{
    self, DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture, Event,
};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode, size,
};
use ratatui::crossterm::{cursor, execute, queue};
use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Interval, MissedTickBehavior, interval};
use zeroize::Zeroizing;

use super::feed::Daemon;
use super::model::{Ask, Happened, Link, Model};
use super::unsent;
use super::view::{Theme, draw};
use crate::client::Client;
use crate::exit::Failure;
use crate::limits::{CHAT_DOCTOR_INTERVAL, CHAT_FINISH_MAX, CHAT_STATUS_INTERVAL};
use crate::render::{Clock, Output};

/// Keys that wait, at most: what is typed while a frame is drawn.
const KEYS_MAX: usize = 256;

/// Of a frame that is written at once: more than most have.
const FRAME_BYTES: usize = 64 * 1024;

/// Runs the chat until the user quits. `wanted` is the contact whose conversation is shown first.
pub(crate) async fn run(
    client: &Client,
    wanted: Option<String>,
    output: &Output,
    mouse: bool,
) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "the chat needs a terminal; where there is none, use --plain".to_owned(),
        ));
    }
    let unusable = |error: io::Error| Failure::Usage(format!("cannot use the terminal: {error}"));
    let mut end = signal(SignalKind::terminate()).map_err(unusable)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(unusable)?;
    let mut screen = Screen::open(mouse).map_err(unusable)?;
    let mut model = Model::new(Clock::system(), size().map_err(unusable)?, wanted);
    let mut daemon = Daemon::start(client);
    let mut keys = keyboard();
    let mut second = every(std::time::Duration::from_secs(1));
    let mut status = every(CHAT_STATUS_INTERVAL);
    let mut doctor = every(CHAT_DOCTOR_INTERVAL);
    let theme = Theme { colours: output.has_colours() };
    loop {
        if std::mem::take(&mut model.attention.dirty) {
            for ask in screen.measure(&mut model).map_err(unusable)? {
                daemon.ask(ask);
            }
            screen.draw(&model, theme).map_err(unusable)?;
        }
        let mut next = tokio::select! {
            biased;
            _ = end.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
            key = keys.recv() => Some(key.ok_or_else(|| {
                Failure::Usage("the terminal is gone".to_owned())
            })?),
            happened = daemon.next() => happened,
            _ = status.tick() => { look(&mut daemon, &model, Ask::Status); None }
            _ = doctor.tick() => { look(&mut daemon, &model, Ask::Doctor); None }
            _ = second.tick() => Some(Happened::Tick(Clock::system())),
        };
        // All that waits is taken in before it is drawn.
        while let Some(happened) = next.take() {
            for ask in model.update(happened) {
                match daemon.ask(ask) {
                    None => {}
                    Some(Ask::Quit) => {
                        for told in daemon.finish(CHAT_FINISH_MAX).await.told {
                            model.update(Happened::Told(Box::new(told)));
                        }
                        drop(screen);
                        return unsent::tell(&model, "the daemon did not take them", output);
                    }
                    Some(Ask::Suspend) => screen.suspend(&mut model).map_err(unusable)?,
                    Some(_) => screen.terminal.clear().map_err(unusable)?,
                }
            }
            next = keys.try_recv().ok().or_else(|| daemon.try_next());
        }
    }
}

/// Asks for what is looked at from time to time, while somebody is there to answer.
fn look(daemon: &mut Daemon, model: &Model, ask: Ask) {
    if matches!(model.link, Link::Up | Link::Locked) {
        daemon.ask(ask);
    }
}

fn every(time: std::time::Duration) -> Interval {
    let mut interval = interval(time);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// What is typed, read on a thread of its own; it ends with the process.
fn keyboard() -> Receiver<Happened> {
    let (tell, keys) = channel(KEYS_MAX);
    std::thread::spawn(move || read_keys(&tell));
    keys
}

fn read_keys(tell: &Sender<Happened>) {
    while let Ok(event) = event::read() {
        let happened = match event {
            Event::Key(key) => Happened::Key(key),
            Event::Mouse(mouse) => Happened::Mouse(mouse),
            Event::Paste(text) => Happened::Paste(Zeroizing::new(text)),
            Event::Resize(columns, rows) => Happened::Resize { columns, rows },
            Event::FocusGained => Happened::Focus(true),
            Event::FocusLost => Happened::Focus(false),
        };
        if tell.blocking_send(happened).is_err() {
            return;
        }
    }
}

/// The terminal while the chat has it. Given back when it is dropped.
struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    mouse: bool,
}

impl Screen {
    fn open(mouse: bool) -> io::Result<Self> {
        // A panic's message would be written to a screen that is about to go.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            before(panic);
        }));
        enter(mouse)?;
        let output = BufWriter::with_capacity(FRAME_BYTES, io::stdout());
        let terminal = Terminal::new(CrosstermBackend::new(output));
        terminal.map(|terminal| Self { terminal, mouse }).inspect_err(|_| leave())
    }

    /// Tells the model if the window has another size than it was told: events of it may be late.
    fn measure(&self, model: &mut Model) -> io::Result<Vec<Ask>> {
        let found = self.terminal.size()?;
        if (found.width, found.height) == (model.columns, model.height) {
            return Ok(Vec::new());
        }
        let asks = model.update(Happened::Resize { columns: found.width, rows: found.height });
        model.attention.dirty = false;
        Ok(asks)
    }

    /// Draws what changed. Terminals that know synchronized output show it at once.
    fn draw(&mut self, model: &Model, theme: Theme) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| draw(model, theme, frame))?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.terminal.backend_mut())
    }

    /// Stops this process, as the terminal does for others at Ctrl+Z; returns when it goes on.
    fn suspend(&mut self, model: &mut Model) -> io::Result<()> {
        leave();
        kill_current_process_group(Signal::TSTP)?;
        enter(self.mouse)?;
        model.attention.dirty = true;
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
    if mouse {
        execute!(io::stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back. What fails, fails because it is gone.
fn leave() {
    let _ = execute!(
        io::stdout(),
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}
