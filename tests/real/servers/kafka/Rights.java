import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/**
 * Makes a broker's ACLs exactly those on standard input, a line each: USER OPERATION TYPE NAME, for example
 * {@code feed READ TOPIC posts-events}; a name that ends in * stands for all that begin so. Rights ADDRESS ADMIN-PASSWORD-FILE
 */
public class Rights {
    public static void main(String[] args) throws Exception {
        Set<AclBinding> wanted = new HashSet<>();
        for (String line : new String(System.in.readAllBytes()).lines().toList()) {
            if (!line.isBlank()) wanted.add(binding(line.trim().split(" +")));
        }
        try (Admin admin = Admin.create(client(args[0], "admin", args[1]))) {
            Collection<AclBinding> there = admin.describeAcls(AclBindingFilter.ANY).values().get();
            List<AclBinding> missing = wanted.stream().filter(one -> !there.contains(one)).toList();
            List<AclBindingFilter> surplus = there.stream().filter(one -> !wanted.contains(one)).map(AclBinding::toFilter).toList();
            admin.createAcls(missing).all().get();
            admin.deleteAcls(surplus).all().get();
        }
    }

    private static AclBinding binding(String[] words) {
        boolean prefix = words[3].endsWith("*");
        String name = prefix ? words[3].substring(0, words[3].length() - 1) : words[3];
        // A lone * is Kafka's own name for all resources.
        if (name.isEmpty()) { name = "*"; prefix = false; }
        ResourcePattern resource = new ResourcePattern(ResourceType.valueOf(words[2]), name, prefix ? PatternType.PREFIXED : PatternType.LITERAL);
        return new AclBinding(resource, new AccessControlEntry("User:" + words[0], "*", AclOperation.valueOf(words[1]), AclPermissionType.ALLOW));
    }

    static Map<String, Object> client(String address, String user, String passwordFile) throws Exception {
        String password = Files.readString(Path.of(passwordFile)).trim();
        return Map.of(
            "bootstrap.servers", address,
            "security.protocol", "SASL_PLAINTEXT",
            "sasl.mechanism", "PLAIN",
            "sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"" + user + "\" password=\"" + password + "\";",
            "request.timeout.ms", 10000,
            "default.api.timeout.ms", 15000);
    }
}
