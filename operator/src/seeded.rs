//! Bugs of choice, for tests that must notice them. Compiled in by the feature `seeded-bugs` alone, and then chosen by
//! the environment (`MAAS_SEEDED_BUG`): every other build has none of them, and pays nothing.

macro_rules! bugs {
    ($($name:ident: $words:literal,)*) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $words] $name,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What is wrong, in words.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

bugs! {
    NoFence: "writes do not check the epoch",
    EpochTakenBlindly: "the epoch is taken whatever version it has",
    OlderAttemptTakesOver: "an older attempt takes the epoch of a newer one",
    OwnEpochUnknown: "a take-over whose answer was lost is not known again",
    OtherLeaderNotAwaited: "another application's operator is not given the time to show that it lives",
    SupersededUnregisters: "a superseded operator unregisters the application",
    ActsBeforeCommit: "YARN is spoken to before the commit is accepted",
    HarmWithoutView: "plans are made while the tree is not seen whole",
    HarmWithoutHeartbeat: "plans are made while YARN was not heard for long",
    TreeLostIsObeyed: "a tree that was taken away as a whole is taken for an order",
    EdgeTriggered: "a refused plan is not made again",
    NoRelist: "what a second list of the tree shows is not taken in",
    GoneNotHeard: "that a znode is gone is not taken in",
    OlderStateWins: "an older state of a znode replaces a newer one",
    OwnWritesForgotten: "own accepted writes are known only when the mirror shows them",
    BlindRetryOfCreate: "creations whose answer was lost are made again at once",
    LeaderNotMadeAgain: "the leader's node is not made again in a new session",
    IdsGivenAgain: "ids of instances begin anew with each attempt",
    UnknownContainersKept: "containers without a record are not given back",
    SecondContainerKept: "a second container of one instance is not given back",
    LateContainersDropped: "containers told of after the registration are not taken over",
    RunningContainersDropped: "containers of earlier attempts are not taken over",
    AbandonedKept: "instances that nobody runs are counted as live",
    AsksDroppedOnResync: "open asks are not sent again after the ResourceManager restarted",
    NoRegistrationAfterRestart: "the ResourceManager's restart is not met with a registration",
    ReturnedNodeKeepsContainers: "containers of a lost node that returns are not given back",
    SilenceIsTrusted: "a container of which nobody tells, its runner neither, counts as running",
    StartNotRepeated: "a start whose answer was lost is not repeated",
    StartWithoutPayload: "containers are started before their payload is pinned",
    PreemptionIsFailure: "an end that the platform caused counts as the model's failure",
    PreemptionNotHeeded: "instances that are to be preempted are not drained",
    LeavingNodeKept: "instances on a node that is being decommissioned stay until it is gone",
    LeavingNodesNotAskedFor: "an operator that starts does not ask which nodes are being decommissioned",
    FailuresNotCounted: "failing containers are replaced without any wait",
    AsksNeverParked: "an ask that finds no room stands for ever before smaller ones",
    ParkedNeverShown: "a parked ask is never shown again",
    SizesShareAPriority: "asks of all sizes stand at one priority",
    StopBeforeUnpublish: "a container is stopped while its endpoint stands",
    RecordGoesFirst: "the record of a running instance is deleted instead of made stopping",
    NeverPressed: "a runner that does not drain is waited for without end",
    OldStoppedFirst: "old instances are stopped before new ones are ready",
    SurgeUnbounded: "all new instances are created at once beside the old ones",
    TemplateIgnored: "a changed template makes no new revision",
    InvalidSpecStops: "a spec that can't be read counts as none wanted",
    RevisionsKept: "revisions that nothing uses stay",
    StraysKept: "endpoints without a record stay",
    EmptyDirectoriesKept: "a directory of Metron's stays whose last entry goes after its deployment",
    UploadDeletedInUse: "an upload is deleted while another deployment names it",
    UploadKept: "an upload that nothing names stays",
    ListingOfAnotherLife: "a listing for a deployment that is no more is used for its successor",
    GenerationAhead: "a generation is reported as observed before it is",
    ReadyTooEarly: "an instance counts as ready once its container runs",
    ProgressForgotten: "the time without progress begins anew with each operator",
    ClientHearsOfNoEnd: "a client goes on to name an endpoint that is gone",
    ClientKeepsWhatAListLacks: "a client goes on to name what went while it was cut off",
    ClientNeverStale: "a client that is cut off does not say so",
    QueueItemGoesFirst: "an item of Metron's queue is taken away before its edit is committed",
    QueueItemGoesLast: "an item of Metron's queue is taken away after its edit was committed",
    QueueOutOfOrder: "items of Metron's queue are not applied in their order",
    QueueStopsAtBadItem: "an item of Metron's queue that can't be applied is waited for",
    TransitionTimeMoves: "a condition that did not change gets a new time at each look",
}

/// Whether this bug is in.
#[cfg(feature = "seeded-bugs")]
#[must_use]
pub fn seeded(bug: Bug) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN
        .get_or_init(|| std::env::var("MAAS_SEEDED_BUG").ok())
        .as_ref()
        .is_some_and(|name| *name == format!("{bug:?}"))
}

/// Whether this bug is in: it is not.
#[cfg(not(feature = "seeded-bugs"))]
#[inline(always)]
#[must_use]
pub const fn seeded(_: Bug) -> bool {
    false
}
