//! The launcher process: one thread, one loop. It keeps sandboxes prepared, gives them their specs, reaps them and
//! removes what they had on the host.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::cgroup::{Cgroup, Parents};
use crate::credentials::{HostIds, Identity};
use crate::instance::{Instance, SLOTS};
use crate::namespaces::{self, Forked};
use crate::network::{Egress, Link};
use crate::prepare::{self, Family, Plan, Prepared};
use crate::protocol::{self, Channel, Event, InitRequest, Request};
use crate::{Isolation, LauncherOptions, Network, SandboxSpec, mounts, ownership, probe};

/// How soon the removal of a sandbox is tried again while a dying process holds its cgroup.
const REMOVE_AGAIN: Duration = Duration::from_millis(20);
/// How long no reserve is made after one has failed or died, so that a machine in trouble is not kept busy with it.
const RESERVE_AGAIN: Duration = Duration::from_secs(1);
/// The span of which the launches are counted to say how many sandboxes are kept prepared.
const RECENT: Duration = Duration::from_secs(10);
/// How many recent launches call for one more.
const LAUNCHES_FOR_ONE: usize = 4;
/// How often is looked whether fewer would do.
const LOOK: Duration = Duration::from_secs(2);
/// How long the end may take before the launcher leaves the rest to the next one.
const END_TIMEOUT: Duration = Duration::from_secs(8);

/// Turns this process into the launcher if it was started as one, and then does not return. Must be the first line
/// of `main`, before any thread exists.
pub fn run_launcher_if_asked() {
    if !crate::launcher::asked() {
        return;
    }
    let code = match serve() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("sandbox launcher: {error}");
            1
        }
    };
    std::process::exit(code);
}

/// What this launcher has to make sandboxes with.
pub(crate) struct Kit {
    pub(crate) options: LauncherOptions,
    /// Held, not read: its lock says that this launcher lives.
    instance: Instance,
    pub(crate) parents: Parents,
    pub(crate) ids: HostIds,
    pub(crate) egress: Result<Egress, crate::network::Missing>,
}

/// One place for a sandbox: a number that its cgroup, its uids and its interface bear.
struct Slot {
    plan: Plan,
    kind: Kind,
    /// The platform's end, until the platform has it.
    channel: Option<Channel>,
    init: Option<(Pid, OwnedFd)>,
    id: Option<u64>,
    reaped: bool,
    released: bool,
    /// It was prepared for more launches than there are now, and ends.
    surplus: bool,
}

/// Which requests a prepared sandbox serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    network: Network,
    /// The sandbox of the template whose forks it is for.
    template: Option<u64>,
}

struct Waiting {
    id: u64,
    spec: SandboxSpec,
    file: OwnedFd,
    kind: Kind,
}

/// A sandbox whose program is forked into others. A fork is born into the cgroups where its parent is, so the template
/// sits in those of the next sandbox in advance: moving a process can take the kernel milliseconds.
struct Template {
    slot: u32,
    family: Rc<Family>,
    program: Pid,
    /// The slot in whose cgroups it is, when it is not at home.
    sits: Option<u32>,
}

struct Server {
    control: Channel,
    kit: Kit,
    children: OwnedFd,
    reports: (Channel, Channel),
    slots: BTreeMap<u32, Slot>,
    preparers: HashMap<Pid, u32>,
    /// Inits that ended before their preparer's report was read.
    ended_early: HashSet<Pid>,
    waiting: VecDeque<Waiting>,
    kinds: HashSet<Kind>,
    /// When sandboxes of a kind were asked for lately.
    demand: HashMap<Kind, VecDeque<Instant>>,
    templates: HashMap<u64, Template>,
    next_slot: u32,
    /// No reserve is made before this, because making one has failed.
    reserve_after: Instant,
}

fn serve() -> io::Result<()> {
    namespaces::close_all_but(&[]);
    namespaces::ignore_group_signals();
    // Not in the terminal's group; fails harmlessly for a group leader.
    let _ = rustix::process::setsid();
    let children = namespaces::signal_descriptor(&[libc::SIGCHLD])?;
    let control = Channel::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    let Some((Request::Begin { options, probe_only }, _)) = control.receive::<Request>()? else {
        return Err(io::Error::other("no beginning"));
    };
    let mut kit = match Kit::make(options) {
        Ok(kit) => kit,
        Err(error) => {
            return control.send(
                &Event::Failed {
                    id: 0,
                    reason: error.to_string(),
                },
                &[],
            );
        }
    };
    let attempt = probe::Attempt::begin(&kit);
    kit.set_up_egress();
    let (capabilities, trial) = probe::probe(&mut kit, attempt);
    let usable = capabilities.namespaces || kit.options.isolation == Isolation::Process;
    control.send(&Event::Ready(capabilities), &[])?;
    // Interfaces and namespaces go slowly; whoever waits for the report does not wait for that.
    if let Some(trial) = trial {
        trial.clear();
    }
    if let Ok(egress) = &kit.egress {
        egress.clear_trial();
    }
    let network = if kit.egress.is_ok() {
        Network::Egress
    } else {
        Network::None
    };
    let kinds = HashSet::from([Kind {
        network,
        template: None,
    }]);
    // The init of a template's fork is left behind by those that made it.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut server = Server {
        control,
        kit,
        children,
        reports: Channel::pair()?,
        slots: BTreeMap::new(),
        preparers: HashMap::new(),
        ended_early: HashSet::new(),
        waiting: VecDeque::new(),
        kinds,
        demand: HashMap::new(),
        templates: HashMap::new(),
        next_slot: 0,
        reserve_after: Instant::now(),
    };
    if usable && !probe_only {
        server.run();
    }
    server.end();
    Ok(())
}

impl Kit {
    fn make(options: LauncherOptions) -> io::Result<Kit> {
        let instance = Instance::take()?;
        let parents = Parents::make(&instance.name(), options.cgroup_parent.as_deref());
        if !parents.sweep() {
            eprintln!("sandbox launcher: not everything that an earlier launcher left could be removed");
        }
        let ids = HostIds::find(instance.number);
        Ok(Kit {
            options,
            instance,
            parents,
            ids,
            egress: Err(("without namespaces the network is the host's".to_owned(), "")),
        })
    }

    /// Sets up what sandboxes need to reach the network.
    fn set_up_egress(&mut self) {
        if self.options.isolation == Isolation::Namespaces {
            self.egress = Egress::set_up(self.instance.number, &self.options.egress_denied);
        }
    }

    /// Everything that a new sandbox in `slot` needs; its cgroups are made.
    pub(crate) fn plan(&self, slot: u32, network: Network) -> io::Result<Plan> {
        let namespaces = self.options.isolation == Isolation::Namespaces;
        Ok(Plan {
            slot,
            identity: namespaces.then(|| self.ids.identity(slot)),
            cgroup: self.parents.child(&format!("s{slot}"), namespaces)?,
            link: self.link(slot, network),
            family: None,
        })
    }

    fn link(&self, slot: u32, network: Network) -> Option<Link> {
        match (&self.egress, network) {
            (Ok(egress), Network::Egress) => Some(egress.link(slot)),
            _ => None,
        }
    }

    /// The network that a sandbox gets when it asks for `wanted`.
    fn effective(&self, wanted: Network) -> Network {
        match self.options.isolation {
            Isolation::Process => Network::Egress,
            Isolation::Namespaces if self.egress.is_err() => Network::None,
            Isolation::Namespaces => wanted,
        }
    }
}

impl Server {
    fn run(&mut self) {
        loop {
            self.serve_waiting();
            self.refill();
            let removing = self.slots.values().any(Slot::is_over);
            let soon = match removing {
                true => Some(REMOVE_AGAIN),
                false => (!self.demand.is_empty()).then_some(LOOK),
            };
            let timeout = soon.and_then(|soon| Timespec::try_from(soon).ok());
            let (control, reports, children) = {
                let mut polled = [
                    PollFd::new(&self.control, PollFlags::IN),
                    PollFd::new(&self.reports.0, PollFlags::IN),
                    PollFd::new(&self.children, PollFlags::IN),
                ];
                let _ = rustix::event::poll(&mut polled, timeout.as_ref());
                (
                    !polled[0].revents().is_empty(),
                    !polled[1].revents().is_empty(),
                    !polled[2].revents().is_empty(),
                )
            };
            if reports {
                self.hear_preparers();
            }
            if children {
                self.reap();
            }
            self.remove_ended();
            if control && !self.hear_platform() {
                return;
            }
        }
    }

    /// `false` when the platform has gone.
    fn hear_platform(&mut self) -> bool {
        match self.control.receive::<Request>() {
            Ok(Some((Request::Launch { id, template }, descriptors))) => {
                let mut descriptors = descriptors.into_iter();
                let spec = descriptors.next().ok_or_else(|| io::Error::other("no specification"));
                let kept = template.map_or(Ok(()), |template| self.keep_template(template, descriptors));
                match spec
                    .and_then(|file| kept.map(|()| file))
                    .and_then(|file| Ok((protocol::from_anonymous_file::<SandboxSpec>(&file)?, file)))
                {
                    Ok((spec, file)) => {
                        let kind = Kind {
                            network: self.kit.effective(spec.network),
                            template,
                        };
                        self.kinds.insert(kind);
                        self.demand.entry(kind).or_default().push_back(Instant::now());
                        self.waiting.push_back(Waiting { id, spec, file, kind });
                    }
                    Err(error) => self.fail(id, &error),
                }
                true
            }
            Ok(Some((Request::Release { id }, _))) => {
                if let Some(slot) = self.slots.values_mut().find(|slot| slot.id == Some(id)) {
                    slot.released = true;
                }
                self.remove_ended();
                true
            }
            Ok(Some((Request::Born { id }, _))) => {
                let number = self
                    .slots
                    .iter()
                    .find(|(_, slot)| slot.id == Some(id))
                    .map(|(number, _)| *number);
                if let Some(number) = number {
                    self.clear(number);
                }
                true
            }
            Ok(Some((Request::Begin { .. }, _))) => true,
            Ok(None) => false,
            Err(error) => {
                eprintln!("sandbox launcher: the platform cannot be understood: {error}");
                false
            }
        }
    }

    fn fail(&self, id: u64, error: &io::Error) {
        let _ = self.control.send_patiently(
            &Event::Failed {
                id,
                reason: error.to_string(),
            },
            &[],
        );
    }

    /// Gives prepared sandboxes to those that wait for one.
    fn serve_waiting(&mut self) {
        let mut still = VecDeque::new();
        while let Some(waiting) = self.waiting.pop_front() {
            let ready = self
                .slots
                .iter()
                .find(|(_, slot)| slot.is_ready() && slot.kind == waiting.kind);
            match ready.map(|(number, _)| *number) {
                Some(number) => {
                    if let Err(error) = self.assign(number, &waiting) {
                        self.fail(waiting.id, &error);
                    }
                }
                None => still.push_back(waiting),
            }
        }
        self.waiting = still;
    }

    /// Has as many sandboxes in preparation or ready as wait for one, and some in reserve.
    fn refill(&mut self) {
        self.forget_old_demand();
        for kind in self.kinds.clone() {
            let waiting = self.waiting.iter().filter(|waiting| waiting.kind == kind).count();
            let unassigned = self.slots.values().filter(|slot| slot.is_unassigned(kind)).count();
            let wanted = waiting + self.reserve(kind);
            for _ in unassigned..wanted {
                if let Err(error) = self.prepare(kind) {
                    self.fail_one(kind, &error);
                    break;
                }
            }
            self.end_surplus(kind, unassigned.saturating_sub(wanted));
        }
        self.seat_templates();
    }

    /// Ends prepared sandboxes that fewer launches do without. One in whose cgroups a template sits is spared: the end of
    /// a sandbox is the end of whoever is in its cgroups.
    fn end_surplus(&mut self, kind: Kind, count: usize) {
        let taken: HashSet<u32> = self.templates.values().filter_map(|template| template.sits).collect();
        let surplus = self
            .slots
            .iter_mut()
            .filter(|(number, slot)| slot.is_ready() && slot.kind == kind && !taken.contains(*number));
        for (_, slot) in surplus.take(count) {
            slot.surplus = true;
            slot.kill();
        }
    }

    fn forget_old_demand(&mut self) {
        let now = Instant::now();
        self.demand.retain(|_, launches| {
            while launches.front().is_some_and(|launch| now - *launch > RECENT) {
                launches.pop_front();
            }
            !launches.is_empty()
        });
    }

    /// How many sandboxes of a kind are kept prepared for launches to come: more when many came lately.
    fn reserve(&self, kind: Kind) -> usize {
        let LauncherOptions {
            ready_sandboxes,
            most_ready_sandboxes,
            ..
        } = self.kit.options;
        if Instant::now() < self.reserve_after || ready_sandboxes == 0 {
            return 0;
        }
        // The forks of one template follow each other.
        let least = if kind.template.is_some() { 1 } else { ready_sandboxes };
        let recent = self.demand.get(&kind).map_or(0, VecDeque::len);
        (least + recent / LAUNCHES_FOR_ONE).min(most_ready_sandboxes.max(least))
    }

    /// Puts every template that is at home into the cgroups of the sandbox that its next fork will have.
    fn seat_templates(&mut self) {
        for (id, template) in self
            .templates
            .iter_mut()
            .filter(|(_, template)| template.sits.is_none())
        {
            let next = self
                .slots
                .iter()
                .find(|(_, slot)| slot.is_ready() && slot.kind.template == Some(*id));
            // A template that has ended says so to the platform.
            if let Some((number, slot)) = next
                && slot.plan.cgroup.adopt(template.program).is_ok()
            {
                template.sits = Some(*number);
            }
        }
    }

    /// Takes a template out of the cgroups of slot `number`.
    fn clear(&mut self, number: u32) {
        for template in self
            .templates
            .values_mut()
            .filter(|template| template.sits == Some(number))
        {
            template.sits = None;
            if let Some(home) = self.slots.get(&template.slot) {
                let _ = home.plan.cgroup.adopt(template.program);
            }
        }
    }

    /// Remembers sandbox `id` as a template, with its user and pid namespaces.
    fn keep_template(&mut self, id: u64, mut family: impl Iterator<Item = OwnedFd>) -> io::Result<()> {
        if self.templates.contains_key(&id) {
            return Ok(());
        }
        let ended = || io::Error::other("the template has ended");
        let home = self.slots.iter().find(|(_, slot)| slot.id == Some(id));
        let (number, slot) = home.ok_or_else(ended)?;
        let (init, _) = slot.init.as_ref().ok_or_else(ended)?;
        let program = namespaces::first_child(*init)?;
        let (Some(user), Some(pid)) = (family.next(), family.next()) else {
            return Err(io::Error::other("a template without its namespaces"));
        };
        let template = Template {
            slot: *number,
            family: Rc::new(Family { user, pid }),
            program,
            sits: None,
        };
        self.templates.insert(id, template);
        Ok(())
    }

    /// Tells the first who waits for such a sandbox that there will be none.
    fn fail_one(&mut self, kind: Kind, error: &io::Error) {
        self.reserve_after = Instant::now() + RESERVE_AGAIN;
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.kind == kind)
            && let Some(waiting) = self.waiting.remove(at)
        {
            self.fail(waiting.id, error);
        }
    }

    fn prepare(&mut self, kind: Kind) -> io::Result<()> {
        let number = self
            .free_slot()
            .ok_or_else(|| io::Error::other(format!("{SLOTS} sandboxes exist already")))?;
        let plan = self.plan(number, kind)?;
        let (ours, theirs) = Channel::pair()?;
        match namespaces::fork()? {
            Forked::Child => prepare::run(&plan, theirs, &self.reports.1),
            Forked::Parent(pid) => {
                self.preparers.insert(pid, number);
                let slot = Slot {
                    plan,
                    kind,
                    channel: Some(ours),
                    init: None,
                    id: None,
                    reaped: false,
                    released: false,
                    surplus: false,
                };
                self.slots.insert(number, slot);
                Ok(())
            }
        }
    }

    fn plan(&mut self, number: u32, kind: Kind) -> io::Result<Plan> {
        let Some(id) = kind.template else {
            return self.kit.plan(number, kind.network);
        };
        let ended = || io::Error::other("the template has ended");
        let template = self.templates.get(&id).ok_or_else(ended)?;
        let home = self.slots.get(&template.slot);
        let identity = home.and_then(|slot| slot.plan.identity.as_ref().map(Identity::nested));
        Ok(Plan {
            identity: Some(identity.ok_or_else(ended)?),
            family: Some(template.family.clone()),
            ..self.kit.plan(number, kind.network)?
        })
    }

    /// The next number in turn, so that what has just ended has time to vanish.
    fn free_slot(&mut self) -> Option<u32> {
        let free = (0..SLOTS)
            .map(|ahead| (self.next_slot + ahead) % SLOTS)
            .find(|slot| !self.slots.contains_key(slot))?;
        self.next_slot = (free + 1) % SLOTS;
        Some(free)
    }

    fn hear_preparers(&mut self) {
        while let Ok(Some((prepared, descriptors))) = self.reports.0.try_receive::<Prepared>() {
            let Some(slot) = self.slots.get_mut(&prepared.slot) else {
                continue;
            };
            match (
                prepared.error,
                Pid::from_raw(prepared.pid),
                descriptors.into_iter().next(),
            ) {
                (None, Some(pid), Some(pidfd)) => {
                    slot.init = Some((pid, pidfd));
                    slot.reaped = self.ended_early.remove(&pid);
                }
                (error, ..) => {
                    slot.reaped = true;
                    let kind = slot.kind;
                    let error = error.unwrap_or_else(|| "no process came of it".to_owned());
                    self.fail_one(kind, &io::Error::other(error));
                }
            }
        }
    }

    fn reap(&mut self) {
        namespaces::drain_signals(&self.children);
        self.hear_preparers();
        while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
            if let Some(number) = self.preparers.remove(&pid) {
                self.hear_preparers();
                let unborn = self
                    .slots
                    .get_mut(&number)
                    .filter(|slot| slot.init.is_none() && !slot.reaped);
                if let Some(slot) = unborn {
                    slot.reaped = true;
                    let kind = slot.kind;
                    self.fail_one(kind, &io::Error::other("the preparer died"));
                }
                continue;
            }
            let of_slot = |slot: &&mut Slot| slot.init.as_ref().is_some_and(|(init, _)| *init == pid);
            match self.slots.values_mut().find(of_slot) {
                Some(slot) => {
                    slot.reaped = true;
                    if slot.id.is_none() && !slot.surplus {
                        self.reserve_after = Instant::now() + RESERVE_AGAIN;
                    }
                }
                None => {
                    self.ended_early.insert(pid);
                }
            }
        }
        // Without a preparer no report is awaited: what ended was nobody's init.
        if self.preparers.is_empty() {
            self.ended_early.clear();
        }
    }

    /// Starts what `waiting` asks for in a prepared sandbox.
    fn assign(&mut self, number: u32, waiting: &Waiting) -> io::Result<()> {
        let parent = waiting.kind.template.and_then(|id| self.templates.get_mut(&id));
        let elsewhere = parent.filter(|template| template.sits != Some(number));
        if let (Some(template), Some(slot)) = (elsewhere, self.slots.get(&number)) {
            slot.plan.cgroup.adopt(template.program)?;
            template.sits = Some(number);
        }
        let Some(slot) = self.slots.get_mut(&number) else {
            return Ok(());
        };
        let (Some(channel), Some((_, pidfd))) = (&slot.channel, &slot.init) else {
            return Ok(());
        };
        // Only root can open what the sandbox's own user may not pass through on the host.
        let detached = matches!(self.kit.ids, HostIds::Range { .. }) && slot.plan.identity.is_some();
        if detached && let Some(identity) = &slot.plan.identity {
            for folder in &waiting.spec.owned {
                ownership::give(folder, identity.host_uid, identity.host_gid)?;
            }
        }
        let sources = waiting.spec.mounts.iter().filter(|_| detached).map(mounts::open_source);
        let sources: Vec<OwnedFd> = sources.collect::<io::Result<_>>()?;
        // Last of what can fail, for limits set half-way are not taken back.
        if let Err(error) = slot.plan.cgroup.limit(&waiting.spec) {
            slot.kill();
            slot.id = Some(waiting.id);
            slot.released = true;
            return Err(error);
        }
        let (out, their_out) = output_pipe(slot.plan.identity.as_ref())?;
        let (err, their_err) = output_pipe(slot.plan.identity.as_ref())?;
        let mut lent = vec![waiting.file.as_fd(), their_out.as_fd(), their_err.as_fd()];
        lent.extend(sources.iter().map(AsFd::as_fd));
        if let Err(error) = channel.send(
            &InitRequest::Start {
                detached,
                forked: waiting.kind.template.is_some(),
            },
            &lent,
        ) {
            // It died in reserve; its end is on its way and another takes its place.
            slot.id = Some(waiting.id);
            slot.released = true;
            return Err(error);
        }
        let launched = Event::Launched {
            id: waiting.id,
            cgroup: slot.plan.cgroup.clone(),
            network: slot.kind.network,
        };
        let given = [channel.as_fd(), pidfd.as_fd(), out.as_fd(), err.as_fd()];
        self.control.send_patiently(&launched, &given)?;
        slot.channel = None;
        slot.id = Some(waiting.id);
        Ok(())
    }

    /// Removes what ended sandboxes had on the host.
    fn remove_ended(&mut self) {
        let over: Vec<u32> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.is_over())
            .map(|(number, _)| *number)
            .collect();
        for number in over {
            self.clear(number);
        }
        self.templates
            .retain(|_, template| self.slots.get(&template.slot).is_some_and(|slot| !slot.is_over()));
        let templates = &self.templates;
        self.kinds
            .retain(|kind| kind.template.is_none_or(|id| templates.contains_key(&id)));
        self.demand
            .retain(|kind, _| kind.template.is_none_or(|id| templates.contains_key(&id)));
        self.slots.retain(|_, slot| !(slot.is_over() && slot.remove()));
    }

    /// The platform has gone: so does everything else.
    fn end(&mut self) {
        let start = Instant::now();
        for slot in self.slots.values_mut() {
            slot.released = true;
        }
        while !self.slots.is_empty() && start.elapsed() < END_TIMEOUT {
            self.hear_preparers();
            for slot in self.slots.values_mut().filter(|slot| !slot.reaped) {
                slot.channel = None;
                slot.kill();
            }
            self.reap();
            for slot in self.slots.values_mut() {
                slot.released = true;
            }
            self.remove_ended();
            if !self.slots.is_empty() {
                let timeout = Timespec::try_from(REMOVE_AGAIN).ok();
                let _ = rustix::event::poll(&mut [PollFd::new(&self.children, PollFlags::IN)], timeout.as_ref());
            }
        }
        if let Ok(egress) = &self.kit.egress {
            egress.take_down();
        }
        self.kit.parents.remove();
    }
}

impl Slot {
    fn is_ready(&self) -> bool {
        self.init.is_some() && self.id.is_none() && !self.reaped && !self.surplus
    }

    /// Ready or in preparation, and nobody's.
    fn is_unassigned(&self, kind: Kind) -> bool {
        self.id.is_none() && !self.reaped && !self.surplus && self.kind == kind
    }

    fn is_over(&self) -> bool {
        self.reaped && (self.released || self.id.is_none())
    }

    fn kill(&self) {
        if let (Some((_, pidfd)), true) = (&self.init, self.plan.cgroup.has_pid_namespace()) {
            let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
        }
        let _ = self.plan.cgroup.set_frozen(false);
        self.plan.cgroup.kill();
    }

    /// `false` when it has to be tried again.
    fn remove(&self) -> bool {
        let removed = self.plan.cgroup.remove();
        if !removed {
            self.plan.cgroup.kill_leftovers();
            return false;
        }
        if let Some(link) = self.plan.link {
            link.disconnect();
        }
        true
    }
}

/// A pipe for a program's output: the reading end does not block, the writing end belongs to the program's user, so
/// that `/dev/stdout` can be opened.
fn output_pipe(identity: Option<&Identity>) -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&read, true)?;
    if let Some(identity) = identity.filter(|identity| identity.separate_init) {
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(identity.host_uid),
            rustix::fs::Gid::from_raw(identity.host_gid),
        );
        rustix::fs::fchown(&write, Some(uid), Some(gid))?;
    }
    Ok((read, write))
}

/// The groups of a sandbox that was only tried; used by the probe.
pub(crate) fn forget(cgroup: &Cgroup) {
    let start = Instant::now();
    while !cgroup.remove() && start.elapsed() < Duration::from_secs(2) {
        cgroup.kill_leftovers();
        std::thread::sleep(Duration::from_millis(2));
    }
}
