import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Tries what standard input says, a line each, and prints the line with its outcome: Attempts ADDRESS SECRETS-DIRECTORY
 * USER[:PASSWORD-NAME] write|read|create|alter|delete TOPIC, or USER join GROUP TOPIC. The password is that of kafka.USER;
 * the user nobody comes without.
 */
public class Attempts {
    public static void main(String[] args) throws Exception {
        for (String line : new String(System.in.readAllBytes()).lines().toList()) {
            if (line.isBlank()) continue;
            String[] words = line.trim().split(" +");
            String[] who = words[0].split(":");
            Map<String, Object> client = new HashMap<>();
            if (who[0].equals("nobody")) {
                client.putAll(Map.of("bootstrap.servers", args[0], "request.timeout.ms", 2000, "default.api.timeout.ms", 4000));
            } else {
                client.putAll(Rights.client(args[0], who[0], args[1] + "/kafka." + who[who.length - 1]));
            }
            client.put("key.serializer", StringSerializer.class);
            client.put("value.serializer", StringSerializer.class);
            client.put("key.deserializer", StringDeserializer.class);
            client.put("value.deserializer", StringDeserializer.class);
            System.out.println(line.trim() + " " + outcome(client, words));
        }
    }

    private static String outcome(Map<String, Object> client, String[] words) {
        try {
            attempt(client, words);
            return "allowed";
        } catch (Exception error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            String name = cause.getClass().getSimpleName();
            boolean refused = name.endsWith("AuthorizationException") || name.equals("SaslAuthenticationException");
            return (refused ? "refused " : "failed ") + name;
        }
    }

    private static void attempt(Map<String, Object> client, String[] words) throws Exception {
        switch (words[1]) {
            case "write" -> {
                client.put("acks", "all");
                client.put("enable.idempotence", true);
                client.put("max.block.ms", 10000);
                try (KafkaProducer<String, String> producer = new KafkaProducer<>(client)) {
                    producer.send(new ProducerRecord<>(words[2], "right:1", "{}")).get();
                }
            }
            case "read" -> {
                try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(client)) {
                    consumer.assign(List.of(new TopicPartition(words[2], 0)));
                    consumer.seekToBeginning(consumer.assignment());
                    consumer.poll(Duration.ofMillis(500));
                    consumer.position(new TopicPartition(words[2], 0));
                }
            }
            case "join" -> {
                client.put("group.id", words[2]);
                client.put("enable.auto.commit", false);
                TopicPartition partition = new TopicPartition(words[3], 0);
                try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(client)) {
                    consumer.assign(List.of(partition));
                    consumer.commitSync(Map.of(partition, new OffsetAndMetadata(0)));
                }
            }
            default -> {
                try (Admin admin = Admin.create(client)) {
                    administer(admin, words[1], words[2]);
                }
            }
        }
    }

    private static void administer(Admin admin, String verb, String topic) throws Exception {
        switch (verb) {
            case "create" -> {
                try {
                    admin.createTopics(List.of(new NewTopic(topic, Optional.of(1), Optional.empty()))).all().get();
                } catch (ExecutionException error) {
                    if (!(error.getCause() instanceof TopicExistsException)) throw error;
                }
            }
            case "alter" -> {
                ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
                ConfigEntry week = new ConfigEntry("retention.ms", Long.toString(Duration.ofDays(7).toMillis()));
                admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(week, AlterConfigOp.OpType.SET)))).all().get();
            }
            case "delete" -> admin.deleteTopics(List.of(topic)).all().get();
            default -> throw new IllegalArgumentException("no verb " + verb);
        }
    }
}
