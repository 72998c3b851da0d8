// What Metron's callers and its submission script do, with the very libraries that Metron pins: the discovery of Curator over
// Jackson, which knows only these fields, and the queue that Curator offers on. One command a line on standard input, one
// answer or view a line on standard output.
package org.apache.metron.maas.config;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeSet;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.details.JsonInstanceSerializer;
import org.codehaus.jackson.map.ObjectMapper;

class StockClient {
    private static ServiceDiscovery<ModelEndpoint> discovery;
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], new ExponentialBackoffRetry(1000, 3));
        client.start();
        if (client.checkExists().forPath(args[1]) == null) {
            client.create().creatingParentsIfNeeded().forPath(args[1]);
        }
        discovery = ServiceDiscoveryBuilder.builder(ModelEndpoint.class).client(client).basePath(args[1])
            .serializer(new JsonInstanceSerializer<>(ModelEndpoint.class)).build();
        discovery.start();
        // Each change makes it read all again, as Metron's discoverer does.
        ClassLoader own = StockClient.class.getClassLoader();
        TreeCache cache = new TreeCache(client, args[1]);
        cache.getListenable().addListener((c, event) -> {
            Thread.currentThread().setContextClassLoader(own);
            look();
        });
        cache.start();
        SimpleDistributedQueue queue = new SimpleDistributedQueue(client, args[2]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", 7);
            if (words[0].equals("offer")) {
                ModelRequest request = new ModelRequest();
                request.action = Action.valueOf(words[1]);
                request.name = words[2];
                request.version = words[3];
                request.numInstances = Integer.parseInt(words[4]);
                request.memory = Integer.parseInt(words[5]);
                request.path = words[6].equals("-") ? null : words[6];
                queue.offer(JSON.writeValueAsBytes(request));
            } else if (words[0].equals("null")) {
                queue.offer(JSON.writeValueAsBytes(null));
            } else {
                queue.offer(line.substring(4).getBytes(StandardCharsets.UTF_8));
            }
            say("offered");
        }
    }

    /** All that is live, or why nothing can be known of any of it. */
    private static synchronized void look() {
        TreeSet<String> all = new TreeSet<>();
        try {
            for (String name : discovery.queryForNames()) {
                for (ServiceInstance<ModelEndpoint> instance : discovery.queryForInstances(name)) {
                    ModelEndpoint endpoint = instance.getPayload();
                    URL url = new URL(endpoint.getEndpoint().getUrl());
                    all.add(JSON.writeValueAsString(new String[] {
                        name, endpoint.getVersion(), url.toString(), instance.getAddress(), "" + instance.getPort(),
                        "" + (url.getPort() == instance.getPort()), endpoint.getContainerId(),
                        JSON.writeValueAsString(endpoint.getEndpoint().getFunctions())
                    }));
                }
            }
            say("view [" + String.join(",", all) + "]");
        } catch (Throwable error) {
            say("broken " + error.toString().replace('\n', ' '));
        }
    }

    private static synchronized void say(String line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}

enum Action { ADD, REMOVE }

class ModelRequest {
    public String name;
    public String version;
    public int numInstances;
    public int memory;
    public Action action;
    public String path;
}

class ModelEndpoint {
    private Endpoint endpoint;
    private String name;
    private String version;
    private String containerId;

    ModelEndpoint() {}

    public Endpoint getEndpoint() { return endpoint; }

    public void setEndpoint(Endpoint endpoint) { this.endpoint = endpoint; }

    public String getName() { return name; }

    public void setName(String name) { this.name = name; }

    public String getVersion() { return version; }

    public void setVersion(String version) { this.version = version; }

    public String getContainerId() { return containerId; }

    public void setContainerId(String containerId) { this.containerId = containerId; }
}

class Endpoint {
    private String url;
    private Map<String, String> functions;

    Endpoint() {}

    public String getUrl() { return url; }

    public void setUrl(String url) { this.url = url; }

    public Map<String, String> getFunctions() { return functions; }

    public void setFunctions(Map<String, String> functions) { this.functions = functions; }
}
