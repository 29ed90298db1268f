import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Collection;
import java.util.HexFormat;
import java.util.UUID;
import java.util.stream.Collectors;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/**
 * What a Java consumer reads of typed changes: a line with the schema, then one for each record's bytes in hex; for each
 * of its rows a line with its values, each with a letter for its type, in hex.
 */
public class Changes {
  public static void main(String[] arguments) throws Exception {
    GenericData data = new GenericData();
    data.addLogicalTypeConversion(new Conversions.DecimalConversion());
    data.addLogicalTypeConversion(new Conversions.UUIDConversion());
    data.addLogicalTypeConversion(new TimeConversions.DateConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimeMicrosConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
    data.addLogicalTypeConversion(new TimeConversions.LocalTimestampMicrosConversion());
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Schema schema = new Schema.Parser().parse(in.readLine());
    GenericDatumReader<GenericRecord> reader = new GenericDatumReader<>(schema, schema, data);
    for (String line; (line = in.readLine()) != null;) {
      BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(HexFormat.of().parseHex(line), null);
      GenericRecord change = reader.read(null, decoder);
      if (!decoder.isEnd()) {
        throw new IllegalStateException("bytes are left");
      }
      for (String state : new String[] {"before", "after"}) {
        GenericRecord row = (GenericRecord) change.get(state);
        System.out.println(row == null ? "" : row.getSchema().getFields().stream()
            .map(field -> hex(shown(row.get(field.pos())))).collect(Collectors.joining(" ")));
      }
    }
  }

  private static String shown(Object value) {
    return switch (value) {
      case null -> "-";
      case Integer number -> "i" + number;
      case Long number -> "i" + number;
      case Float number -> "f" + Integer.toHexString(Float.floatToRawIntBits(number));
      case Double number -> "d" + Long.toHexString(Double.doubleToRawLongBits(number));
      case Boolean flag -> "b" + flag;
      case BigDecimal number -> "n" + number.toPlainString();
      case Instant time -> "t" + ChronoUnit.MICROS.between(Instant.EPOCH, time);
      case LocalDateTime time -> "l" + ChronoUnit.MICROS.between(Instant.EPOCH, time.toInstant(ZoneOffset.UTC));
      case LocalDate day -> "e" + day.toEpochDay();
      case LocalTime time -> "c" + time.toNanoOfDay() / 1000;
      case UUID id -> "u" + id;
      case ByteBuffer bytes -> "x" + HexFormat.of().formatHex(bytes.array());
      case Collection<?> items -> items.stream().map(Changes::shown).collect(Collectors.joining(",", "[", "]"));
      default -> "s" + value;
    };
  }

  private static String hex(String text) {
    return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
  }
}
