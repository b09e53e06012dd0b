#!/bin/sh
# The least that each user needs, by Kafka's own kafka-acls.sh. Run it as who may alter the cluster's ACLs:
#
#   BOOTSTRAP=broker-1:9093 COMMAND_CONFIG=admin.properties deploy/kafka-acls.sh
#
# KAFKA_ACLS is the path of that program if it is not in PATH. Users, topics and the group bear the names that the worker's environment gives them, or their defaults.
# An empty user is left out: OPERATOR= DIALER= deploy/kafka-acls.sh allows the worker alone.
set -eu

: "${BOOTSTRAP:?the brokers to begin with, host:port}"
worker=${WORKER-outbound-worker}
operator=${OPERATOR-outbound-operator}
dialer=${DIALER-dialer}

requested=${OUTBOUND_TOPIC_CALL_REQUESTED:-call-requested}
outcome=${OUTBOUND_TOPIC_CALL_OUTCOME:-call-outcome}
assigned=${OUTBOUND_TOPIC_NUMBER_ASSIGNED:-number-assigned}
settings=${OUTBOUND_TOPIC_ROUTING_SETTINGS:-routing-settings}
letters=${OUTBOUND_TOPIC_DEAD_LETTERS:-dead-letters}
group=${OUTBOUND_GROUP_ID:-outbound-numbers}
dialer_group=${DIALER_GROUP:-dialer}

allow() {
    user=$1
    shift
    "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \
        --add --allow-principal "User:$user" "$@"
}

# To read implies to describe, and to write allows the idempotent producer. The worker reads its own replies: a replica
# that takes partitions over learns what was answered, and a rebuild makes the state from them. It reads dead letters
# never, and writes to neither of its inputs nor to the settings.
if [ -n "$worker" ]; then
    allow "$worker" --operation Read --group "$group" \
        --topic "$requested" --topic "$outcome" --topic "$settings" --topic "$assigned"
    allow "$worker" --operation Write --topic "$assigned" --topic "$letters"
fi

# Who runs `topics create`, `settings` and `explain --from-topic`.
if [ -n "$operator" ]; then
    allow "$operator" --operation Create --operation DescribeConfigs --operation Read \
        --topic "$requested" --topic "$outcome" --topic "$settings" --topic "$assigned" --topic "$letters"
    allow "$operator" --operation Write --topic "$settings"
    allow "$operator" --operation Describe --group "$group"
fi

if [ -n "$dialer" ]; then
    allow "$dialer" --operation Write --topic "$requested" --topic "$outcome"
    allow "$dialer" --operation Read --topic "$assigned" --group "$dialer_group"
fi
