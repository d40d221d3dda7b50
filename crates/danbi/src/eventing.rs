//! What tells others that something happened: EventBridge with its Scheduler, SNS, and the Parameter Store.

use crate::delays::Delays;
use danbi_core::{Api, Clock, DataKeys, Invoker, LogSink, ServiceRoles};
use danbi_events::Events;
use danbi_sns::Sns;
use danbi_ssm::Ssm;
use danbi_store::Store;
use danbi_wire::Service;
use std::sync::Arc;

/// What they need of the rest.
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Runs functions.
    pub invoker: Arc<dyn Invoker>,
    /// The platform's own API.
    pub api: Arc<dyn Api>,
    /// Roles that targets name.
    pub roles: Option<Arc<dyn ServiceRoles>>,
    /// Log groups.
    pub logs: Arc<dyn LogSink>,
    /// Keys of what is secret.
    pub data_keys: Arc<dyn DataKeys>,
}

/// The services that tell others.
pub struct Eventing {
    events: Arc<Events>,
    sns: Arc<Sns>,
    ssm: Arc<Ssm>,
}

impl Eventing {
    /// Starts them.
    pub fn start(parts: Parts, delays: &Delays) -> Self {
        let mut deliveries = danbi_outbox::Options::default();
        if let Some([first, longest]) = delays.deliveries {
            (deliveries.first_pause, deliveries.longest_pause) = (first, longest);
        }
        let mut options = danbi_events::Options {
            deliveries: deliveries.clone(),
            ..danbi_events::Options::default()
        };
        options.minute = delays.rate_minute.unwrap_or(options.minute);
        let mut parameters = danbi_ssm::Options {
            deliveries: deliveries.clone(),
            ..danbi_ssm::Options::default()
        };
        parameters.due_every = delays.ssm_due.unwrap_or(parameters.due_every);
        let ssm = Ssm::start(danbi_ssm::Parts {
            store: parts.store.clone(),
            clock: Arc::clone(&parts.clock),
            data_keys: parts.data_keys,
            api: Arc::clone(&parts.api),
            options: parameters,
        });
        let sns = Sns::start(danbi_sns::Parts {
            store: parts.store.clone(),
            clock: Arc::clone(&parts.clock),
            invoker: Arc::clone(&parts.invoker),
            api: Arc::clone(&parts.api),
            deliveries,
        });
        let events = Events::start(danbi_events::Parts {
            store: parts.store,
            clock: parts.clock,
            invoker: parts.invoker,
            api: parts.api,
            roles: parts.roles,
            logs: parts.logs,
            options,
        });
        Self { events, sns, ssm }
    }

    /// Their APIs.
    pub fn services(&self) -> [Service; 4] {
        [
            self.events.service(),
            self.events.scheduler_service(),
            self.sns.service(),
            self.ssm.service(),
        ]
    }

    /// Ends what they deliver; the rest waits for the next start.
    pub async fn drain(&self) {
        self.events.drain().await;
        self.sns.drain().await;
        self.ssm.drain().await;
    }
}
