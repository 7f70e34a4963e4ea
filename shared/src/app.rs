//! The wiring that every function shares: from the environment to the clients it was given. Makes no call.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_config::{
    SdkConfig,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    timeout::TimeoutConfig,
};

use crate::{
    channel::{email::Mailer, sms::Texter},
    config::{self, ConfigError},
    object::Bucket,
    queue::Queues,
    seal::Keyring,
    store::{key::TableName, table::Tables},
};

/// How long SES may take over a call. Without an end to it a lost answer would take the worker along (60 seconds) and leave
/// the whole chunk in doubt.
const EMAIL_TIMEOUT: Duration = Duration::from_secs(20);
/// How long SNS may take over a text: 50 texts, ten at once, take five times this at worst.
const SMS_TIMEOUT: Duration = Duration::from_secs(8);

/// A connection to the cloud in which nothing has been asked yet.
#[derive(Debug)]
pub struct Cloud {
    sdk: SdkConfig,
}

impl Cloud {
    /// Reads region, endpoint and credentials from the environment, where Lambda puts them.
    ///
    /// The SDK's default chain would also prepare an STS client that nobody uses: 1.3 of 24 million instructions before the first
    /// event.
    pub async fn connect() -> Self {
        let loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(EnvironmentVariableRegionProvider::new())
            .credentials_provider(EnvironmentVariableCredentialsProvider::new());
        Self { sdk: loader.load().await }
    }

    /// The named tables; the environment holds each one's physical name.
    pub fn tables(&self, tables: &[TableName]) -> Result<Tables, ConfigError> {
        let mut names = HashMap::new();
        for table in tables {
            let variable = match table {
                TableName::Directory => "DIRECTORY_TABLE",
                TableName::Messaging => "MESSAGING_TABLE",
                TableName::Access => "ACCESS_TABLE",
                TableName::Keys => "KEYS_TABLE",
            };
            names.insert(*table, config::required(variable)?);
        }
        Ok(Tables::new(aws_sdk_dynamodb::Client::new(&self.sdk), names))
    }

    /// The keyring, over tables that include [`TableName::Keys`].
    pub fn keyring(&self, tables: &Tables) -> Result<Arc<Keyring>, ConfigError> {
        Ok(Arc::new(Keyring::new(
            aws_sdk_kms::Client::new(&self.sdk),
            config::required("KMS_KEY_ID")?,
            tables.clone(),
        )))
    }

    /// The queues.
    pub fn queues(&self) -> Queues {
        Queues::new(aws_sdk_sqs::Client::new(&self.sdk))
    }

    /// The bucket that a variable names. Addressed by path, which every S3 endpoint understands.
    pub fn bucket(&self, variable: &'static str) -> Result<Bucket, ConfigError> {
        let client = aws_sdk_s3::config::Builder::from(&self.sdk)
            .force_path_style(config::stage() == config::Stage::Local)
            .build();
        Ok(Bucket::new(aws_sdk_s3::Client::from_conf(client), config::required(variable)?))
    }

    /// The e-mail carrier.
    pub fn mailer(&self) -> Result<Mailer, ConfigError> {
        let config = aws_sdk_sesv2::config::Builder::from(&self.sdk).timeout_config(within(EMAIL_TIMEOUT));
        Ok(Mailer::new(
            aws_sdk_sesv2::Client::from_conf(config.build()),
            config::required("SENDING_DOMAIN")?,
            config::required("CONFIGURATION_SET")?,
        ))
    }

    /// The text carrier.
    pub fn texter(&self) -> Texter {
        let config = aws_sdk_sns::config::Builder::from(&self.sdk).timeout_config(within(SMS_TIMEOUT));
        Texter::new(aws_sdk_sns::Client::from_conf(config.build()))
    }
}

fn within(limit: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(limit).build()
}
