/* What librdkafka.a calls and this build leaves out: Cyrus SASL, which it uses for Kerberos alone (PLAIN and SCRAM
 * are its own). It starts as if there were no mechanism, so GSSAPI isn't available; linking the real library would
 * drag Kerberos into every installation. */
#define SASL_OK 0
#define SASL_FAIL (-1)
#define SASL_NOMECH (-4)

int sasl_client_init(const void *callbacks);
int sasl_client_init(const void *callbacks) {
  (void)callbacks;
  return SASL_OK;
}

const char *sasl_errstring(int code, const char *languages, const char **language);
const char *sasl_errstring(int code, const char *languages, const char **language) {
  (void)code;
  (void)languages;
  if (language) *language = "i-default";
  return "GSSAPI is not part of this build";
}

const char *sasl_errdetail(void *connection);
const char *sasl_errdetail(void *connection) {
  (void)connection;
  return "GSSAPI is not part of this build";
}

void sasl_dispose(void **connection);
void sasl_dispose(void **connection) {
  if (connection) *connection = 0;
}

#define SASL_FAILS(name, value) \
  int name(void);               \
  int name(void) { return value; }
SASL_FAILS(sasl_client_new, SASL_NOMECH)
SASL_FAILS(sasl_client_start, SASL_NOMECH)
SASL_FAILS(sasl_client_step, SASL_FAIL)
SASL_FAILS(sasl_getprop, SASL_FAIL)
SASL_FAILS(sasl_listmech, SASL_NOMECH)
