"""Mails with attachments are built, flattened, parsed; tables come through csv; pages through an HTML parser."""
import csv
import email
import email.mime.multipart
import email.mime.text
import html.parser
import io
import time


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attributes):
        self.links.append((tag, attributes))


for number in range(160):
    message = email.mime.multipart.MIMEMultipart()
    message["Subject"] = "Subject %d" % number
    message.attach(email.mime.text.MIMEText("body %d\n" % number * 5))
    assert email.message_from_string(message.as_string())["Subject"]
    out = io.StringIO()
    csv.writer(out).writerows([[i, "name %d" % i] for i in range(20)])
    assert len(list(csv.DictReader(io.StringIO(out.getvalue()), ["i", "name"]))) == 20
    parser = Links()
    parser.feed("<p>" + "<a href='/%d'>x</a>" % number * 10)
    parser.close()
    time.sleep(0.01)
