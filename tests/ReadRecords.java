import com.fasterxml.jackson.databind.ObjectMapper;
import io.apicurio.registry.serde.avro.AvroDatumProvider;
import io.apicurio.registry.serde.avro.AvroKafkaDeserializer;
import io.apicurio.registry.serde.avro.AvroSerdeConfig;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DatumReader;
import org.apache.avro.io.DatumWriter;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Reads a topic as Java's consumers do, and prints a line of JSON for each value in each record: who decoded it, the
 * record's number, the value's path, its class, its text. Arguments: bootstrap servers, topic, the registry's URL in
 * Confluent's API, and in Apicurio's.
 */
public class ReadRecords {
    static final ObjectMapper JSON = new ObjectMapper();

    /** Values as Java has them, not as Avro stores them. */
    static GenericData logical() {
        GenericData data = new GenericData();
        data.addLogicalTypeConversion(new Conversions.DecimalConversion());
        data.addLogicalTypeConversion(new Conversions.UUIDConversion());
        data.addLogicalTypeConversion(new TimeConversions.DateConversion());
        data.addLogicalTypeConversion(new TimeConversions.TimeMicrosConversion());
        data.addLogicalTypeConversion(new TimeConversions.TimestampMillisConversion());
        data.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        data.addLogicalTypeConversion(new TimeConversions.LocalTimestampMicrosConversion());
        return data;
    }

    /** What Apicurio's deserializer is told to read with; by itself it leaves logical types alone. */
    public static class Logical<T> implements AvroDatumProvider<T> {
        @Override
        public void configure(AvroSerdeConfig config) {}

        @Override
        public DatumReader<T> createDatumReader(Schema schema) {
            return new GenericDatumReader<>(schema, schema, logical());
        }

        @Override
        public DatumWriter<T> createDatumWriter(T value, Schema schema) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Schema toSchema(T value) {
            throw new UnsupportedOperationException();
        }
    }

    public static void main(String[] arguments) throws Exception {
        String servers = arguments[0], topic = arguments[1], confluent = arguments[2], apicurio = arguments[3];
        int number = 0;
        for (byte[] value : read(servers, topic, new ByteArrayDeserializer())) {
            print("avro", number++, decode(value, confluent));
        }
        print("apicurio", servers, topic, Map.of("apicurio.registry.url", apicurio));
        print("apicurio-logical", servers, topic, Map.of(
            "apicurio.registry.url", apicurio, "apicurio.registry.avro-datum-provider", Logical.class.getName()));
        System.out.flush();
        System.exit(0); // a client of the registry's may have left threads
    }

    static <T> List<T> read(String servers, String topic, Deserializer<T> deserializer) {
        Map<String, Object> properties = Map.of("bootstrap.servers", servers, "isolation.level", "read_committed");
        try (var consumer = new KafkaConsumer<String, T>(properties, new StringDeserializer(), deserializer)) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            List<T> found = new ArrayList<>();
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    found.add(record.value());
                }
            }
            return found;
        }
    }

    /** Confluent's wire format by hand, with Avro's own reader. */
    static GenericRecord decode(byte[] value, String registry) throws Exception {
        ByteBuffer bytes = ByteBuffer.wrap(value);
        if (bytes.get() != 0) {
            throw new IllegalStateException("no magic byte");
        }
        URI uri = URI.create(registry + "/schemas/ids/" + bytes.getInt());
        HttpRequest request = HttpRequest.newBuilder(uri).build();
        String answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
        String text = JSON.readTree(answer).get("schema").asText();
        Schema schema = new Schema.Parser().parse(text);
        var decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null);
        GenericRecord record = new GenericDatumReader<GenericRecord>(schema, schema, logical()).read(null, decoder);
        if (!decoder.isEnd()) {
            throw new IllegalStateException("bytes are left");
        }
        return record;
    }

    static void print(String by, String servers, String topic, Map<String, Object> properties) throws Exception {
        AvroKafkaDeserializer<Object> deserializer = new AvroKafkaDeserializer<>();
        deserializer.configure(properties, false);
        int number = 0;
        for (Object record : read(servers, topic, deserializer)) {
            print(by, number++, (GenericRecord) record);
        }
    }

    static void print(String by, int number, GenericRecord record) throws Exception {
        for (Schema.Field field : record.getSchema().getFields()) {
            print(by, number, field.name(), record.get(field.pos()));
        }
    }

    /** A list and a map are their size, and then what they hold. */
    static void print(String by, int number, String path, Object found) throws Exception {
        if (found instanceof GenericRecord inner) {
            for (Schema.Field field : inner.getSchema().getFields()) {
                print(by, number, path + "." + field.name(), inner.get(field.pos()));
            }
            return;
        }
        String kind = found == null ? "null" : found.getClass().getName();
        String text = String.valueOf(found);
        if (found instanceof Collection<?> items) {
            text = String.valueOf(items.size());
            int index = 0;
            for (Object item : items) {
                print(by, number, path + "[" + index++ + "]", item);
            }
        } else if (found instanceof Map<?, ?> entries) {
            text = String.valueOf(entries.size());
            for (var entry : entries.entrySet()) {
                print(by, number, path + "[" + entry.getKey() + "]", entry.getValue());
            }
        } else if (found instanceof ByteBuffer bytes) {
            byte[] content = new byte[bytes.remaining()];
            bytes.duplicate().get(content);
            text = HexFormat.of().formatHex(content);
        }
        System.out.println(JSON.writeValueAsString(List.of(by, number, path, kind, text)));
    }
}
