/* What libpq.a calls and this build leaves out: Kerberos and LDAP. Every call fails as on a machine
 * without credentials, so libpq goes on with TLS or plain, or reports that GSSAPI isn't available.
 * Linking the real libraries would drag six shared objects into every installation. */
#include <stddef.h>
#include <stdint.h>

#define GSS_UNAVAILABLE (UINT32_C(16) << 16)
#define LDAP_UNAVAILABLE 0x34

void *GSS_C_NT_HOSTBASED_SERVICE;

#define GSS_FAILS(name)           \
  uint32_t name(uint32_t *minor); \
  uint32_t name(uint32_t *minor) { \
    *minor = 0;                   \
    return GSS_UNAVAILABLE;       \
  }
#define GSS_NOTHING_TO_DO(name)   \
  uint32_t name(uint32_t *minor); \
  uint32_t name(uint32_t *minor) { \
    *minor = 0;                   \
    return 0;                     \
  }
#define LDAP_FAILS(name, type, value) \
  type name(void);                    \
  type name(void) { return value; }

GSS_FAILS(gss_acquire_cred)
GSS_FAILS(gss_display_status)
GSS_FAILS(gss_import_name)
GSS_FAILS(gss_init_sec_context)
GSS_FAILS(gss_unwrap)
GSS_FAILS(gss_wrap)
GSS_FAILS(gss_wrap_size_limit)
GSS_NOTHING_TO_DO(gss_delete_sec_context)
GSS_NOTHING_TO_DO(gss_release_buffer)
GSS_NOTHING_TO_DO(gss_release_cred)
GSS_NOTHING_TO_DO(gss_release_name)

LDAP_FAILS(ldap_init, void *, NULL)
LDAP_FAILS(ldap_first_entry, void *, NULL)
LDAP_FAILS(ldap_get_values_len, void *, NULL)
LDAP_FAILS(ldap_err2string, const char *, "LDAP is not part of this build")
LDAP_FAILS(ldap_count_entries, int, -1)
LDAP_FAILS(ldap_msgfree, int, 0)
LDAP_FAILS(ldap_result, int, -1)
LDAP_FAILS(ldap_search_st, int, LDAP_UNAVAILABLE)
LDAP_FAILS(ldap_set_option, int, LDAP_UNAVAILABLE)
LDAP_FAILS(ldap_simple_bind, int, -1)
LDAP_FAILS(ldap_unbind, int, 0)
LDAP_FAILS(ldap_value_free_len, int, 0)
