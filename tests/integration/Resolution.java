import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.util.RandomData;

/**
 * What Avro's Java code makes of pairs of schemas, a line each: the reader's, a tab, the writer's.
 *
 * It answers with a line each: the verdict of SchemaCompatibility, a tab, and how its reader fared with random records.
 */
public class Resolution {
  static final int RECORDS = 20;

  public static void main(String[] arguments) throws Exception {
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = in.readLine()) != null;) {
      String[] pair = line.split("\t");
      Schema reader;
      Schema writer;
      try {
        reader = new Schema.Parser().parse(pair[0]);
        writer = new Schema.Parser().parse(pair[1]);
      } catch (RuntimeException error) { // it does not read some defaults within recursive types
        out.println("UNPARSED\t" + words(error));
        continue;
      }
      out.println(verdict(reader, writer) + "\t" + reading(reader, writer));
    }
    out.flush();
  }

  static String verdict(Schema reader, Schema writer) {
    try {
      return SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getType().toString();
    } catch (RuntimeException error) {
      return words(error).contains("matches multiple fields") ? "REFUSED" : "UNPARSED";
    }
  }

  /** "read" if all could be; "none" where the schema allows no record that ends. */
  static String reading(Schema reader, Schema writer) throws Exception {
    byte[][] records = new byte[RECORDS][];
    try {
      int count = 0;
      for (Object record : new RandomData(writer, RECORDS, 1L)) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
        new GenericDatumWriter<Object>(writer).write(record, encoder);
        records[count++] = bytes.toByteArray();
      }
    } catch (StackOverflowError | RuntimeException error) {
      return "none";
    }
    try {
      for (byte[] record : records) {
        new GenericDatumReader<Object>(writer, reader).read(null, DecoderFactory.get().binaryDecoder(record, null));
      }
      return "read";
    } catch (RuntimeException error) {
      return "failed: " + words(error);
    }
  }

  static String words(RuntimeException error) {
    return String.valueOf(error.getMessage()).replaceAll("\\s+", " ");
  }
}
