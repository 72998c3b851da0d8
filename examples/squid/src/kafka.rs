//! Kafka: reading with the group's offsets, and writing until it is there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::fault::Origin;
use crate::offsets::Offsets;

/// Largest record that is written, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;
/// Bound of a request that may be repeated.
const DEADLINE: Duration = Duration::from_secs(10);

/// The messages in flight, shared with the callbacks of rebalances and commits.
type Shared = Arc<Mutex<Offsets>>;

fn lock(offsets: &Shared) -> std::sync::MutexGuard<'_, Offsets> {
    offsets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the client calls while it is polled.
struct Callbacks {
    offsets: Shared,
}

impl ClientContext for Callbacks {}

impl ConsumerContext for Callbacks {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(partitions) = rebalance else { return };
        let numbers: Vec<i32> = partitions.elements().iter().map(|one| one.partition()).collect();
        // What is done is told before another reads on, so that it reads little again.
        if let Some(topic) = partitions.elements().first().map(|one| one.topic().to_owned()) {
            let done = lock(&self.offsets).committable();
            if !done.is_empty()
                && let Err(error) = list(&topic, &done).and_then(|list| consumer.commit(&list, CommitMode::Sync))
            {
                tracing::debug!(%error, "the last offsets were not committed; their messages are read again");
            }
        }
        lock(&self.offsets).lost(&numbers);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "a commit did not arrive");
            lock(&self.offsets).not_committed();
        }
    }
}

fn list(topic: &str, offsets: &[(i32, i64)]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}

/// A message as it was read.
#[derive(Clone, Debug)]
pub struct Raw {
    /// Which it is.
    pub origin: Origin,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// The reader of a topic.
pub struct Reader {
    consumer: Arc<StreamConsumer<Callbacks>>,
    topic: String,
    offsets: Shared,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Reader {
    /// Joins the group. `instance`: a name that no other member has; who comes back under it goes on at once, without the
    /// wait for the one before to be given up.
    ///
    /// # Errors
    /// The addresses are none.
    pub fn join(brokers: &str, group: &str, topic: &str, instance: Option<&str>) -> Result<Self> {
        let offsets = Shared::default();
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "maas-pipeline")
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("session.timeout.ms", "10000")
            // Fetched and not yet taken: the rest of the memory bound is the flow's.
            .set("queued.max.messages.kbytes", "16384")
            .set("receive.message.max.bytes", "134217728")
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("reconnect.backoff.max.ms", "2000");
        if let Some(instance) = instance {
            config.set("group.instance.id", instance);
        }
        let callbacks = Callbacks { offsets: offsets.clone() };
        let consumer: StreamConsumer<Callbacks> =
            config.create_with_context(callbacks).context("Kafka's client could not be made")?;
        consumer.subscribe(&[topic]).with_context(|| format!("topic {topic} cannot be read"))?;
        Ok(Self { consumer: Arc::new(consumer), topic: topic.to_owned(), offsets })
    }

    /// The next message. Trouble is logged, and lasts as long as it lasts. Cancel-safe.
    ///
    /// # Errors
    /// The group is closed to this process: another one came under the same instance name.
    pub async fn next(&self) -> Result<Raw> {
        let mut said = String::new();
        loop {
            match self.consumer.recv().await {
                Ok(message) => {
                    let origin = Origin {
                        topic: self.topic.clone(),
                        partition: message.partition(),
                        offset: message.offset(),
                        arrived: message.timestamp().to_millis(),
                    };
                    return Ok(Raw { origin, bytes: message.payload().unwrap_or_default().to_vec() });
                }
                Err(KafkaError::MessageConsumptionFatal(code)) => {
                    bail!(
                        "Kafka takes this process out of its group: {code}; is there another with the same --instance?"
                    );
                }
                Err(error) => {
                    let text = match error.rdkafka_error_code() {
                        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                            format!("topic {} does not exist: make it; it is read as soon as it is there", self.topic)
                        }
                        _ => format!("Kafka: {error}"),
                    };
                    if said != text {
                        tracing::warn!("{text}");
                        said = text;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Notes that a message begins; false for one that is in flight already.
    pub fn begin(&self, origin: &Origin) -> bool {
        lock(&self.offsets).begin(origin.partition, origin.offset)
    }

    /// What notes that messages are done.
    #[must_use]
    pub fn done(&self) -> Done {
        Done(self.offsets.clone())
    }

    /// Stops the fetching, or begins it again; the group's membership goes on while [`Reader::next`] is awaited.
    pub fn pause(&self, paused: bool) {
        let change = self
            .consumer
            .assignment()
            .and_then(|all| if paused { self.consumer.pause(&all) } else { self.consumer.resume(&all) });
        if let Err(error) = change {
            tracing::debug!(%error, "the fetching could not be paused");
        }
    }

    /// Commits what is done, without waiting for it; what does not arrive is committed with the next.
    pub fn commit(&self) {
        let done = lock(&self.offsets).committable();
        if done.is_empty() {
            return;
        }
        if let Err(error) = list(&self.topic, &done).and_then(|list| self.consumer.commit(&list, CommitMode::Async)) {
            tracing::debug!(%error, "a commit was not sent");
            lock(&self.offsets).not_committed();
        }
    }

    /// Commits all that is done and leaves the group. What could not be committed is read again by who comes next.
    pub async fn leave(self) {
        let leaving = tokio::task::spawn_blocking(move || {
            lock(&self.offsets).not_committed();
            let done = lock(&self.offsets).committable();
            if !done.is_empty()
                && let Err(error) =
                    list(&self.topic, &done).and_then(|list| self.consumer.commit(&list, CommitMode::Sync))
            {
                tracing::warn!(%error, "the last offsets were not committed; their messages are read again, to the same documents");
            }
            self.consumer.unsubscribe();
        });
        if tokio::time::timeout(DEADLINE, leaving).await.is_err() {
            tracing::warn!("Kafka does not answer; the last messages are read again, to the same documents");
        }
    }
}

/// Notes that messages are done.
#[derive(Clone, Debug)]
pub struct Done(Shared);

impl Done {
    /// A message is done: it may be committed once all before it are.
    pub fn done(&self, origin: &Origin) {
        lock(&self.0).done(origin.partition, origin.offset);
    }
}

/// Writes records.
#[derive(Clone)]
pub struct Writer {
    producer: FutureProducer,
    admin: Arc<AdminClient<DefaultClientContext>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// A writer; nothing is connected yet.
    ///
    /// # Errors
    /// The addresses are none.
    pub fn open(brokers: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "maas-pipeline")
            .set("acks", "all")
            // Tried until it is there: what waits for it holds the reader back.
            .set("message.timeout.ms", "0")
            .set("message.max.bytes", LARGEST.to_string())
            .set("queue.buffering.max.kbytes", "131072")
            .set("topic.metadata.propagation.max.ms", "5000")
            .set("reconnect.backoff.max.ms", "2000");
        let producer = config.create().context("Kafka's client could not be made")?;
        let admin = Arc::new(config.create().context("Kafka's client could not be made")?);
        Ok(Self { producer, admin })
    }

    /// Makes a topic if it is not there, with the broker's own replication. Trouble is logged: writing tries again.
    pub async fn make(&self, topic: &str) {
        let largest = LARGEST.to_string();
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1)).set("max.message.bytes", &largest);
        let options = AdminOptions::new().request_timeout(Some(DEADLINE));
        match self.admin.create_topics([&new], &options).await {
            Ok(results) => {
                for result in results {
                    match result {
                        Ok(topic) => tracing::info!("made topic {topic}"),
                        Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                        Err((topic, code)) => {
                            tracing::warn!("topic {topic} is not there and could not be made: {code}")
                        }
                    }
                }
            }
            Err(error) => tracing::warn!("Kafka: topic {topic} could not be looked for: {error}"),
        }
    }

    /// Writes a record, and tries until it is there. Cancel-safe; one that was given up may still come to be.
    ///
    /// # Errors
    /// The record is larger than the topic takes.
    pub async fn write(&self, topic: &str, key: &str, value: &[u8]) -> Result<(), TooLarge> {
        let (mut wait, mut made) = (Duration::from_millis(100), false);
        loop {
            let record = FutureRecord::to(topic).key(key).payload(value);
            let error = match self.producer.send(record, Timeout::After(DEADLINE)).await {
                Ok(_) => return Ok(()),
                Err((error, _)) => error,
            };
            use RDKafkaErrorCode::{InvalidMessageSize, MessageSizeTooLarge, UnknownTopic, UnknownTopicOrPartition};
            match error {
                KafkaError::MessageProduction(MessageSizeTooLarge | InvalidMessageSize) => return Err(TooLarge),
                KafkaError::MessageProduction(UnknownTopic | UnknownTopicOrPartition) if !made => {
                    made = true;
                    self.make(topic).await;
                }
                error => tracing::warn!("topic {topic} cannot be written: {error}; trying again"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }
}

/// A record is larger than its topic takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;
