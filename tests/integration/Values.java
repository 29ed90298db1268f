import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * What a Java consumer reads, with its logical types: lines of the reader's schema, a tab, the writer's, a tab, and the
 * number that was written, a whole one as it is in the bytes.
 */
public class Values {
  public static void main(String[] arguments) throws Exception {
    GenericData data = new GenericData();
    data.addLogicalTypeConversion(new Conversions.DecimalConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimestampMillisConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = in.readLine()) != null;) {
      String[] given = line.split("\t");
      Schema reader = new Schema.Parser().parse(given[0]);
      Schema writer = new Schema.Parser().parse(given[1]);
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
      if (writer.getType() == Schema.Type.BYTES) {
        encoder.writeBytes(new java.math.BigInteger(given[2]).toByteArray());
      } else {
        encoder.writeLong(Long.parseLong(given[2]));
      }
      GenericDatumReader<Object> consumer = new GenericDatumReader<>(writer, reader, data);
      System.out.println(consumer.read(null, DecoderFactory.get().binaryDecoder(bytes.toByteArray(), null)));
    }
  }
}
