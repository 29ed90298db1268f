fetch forward 500 from retired_rows
