package cluster

// Scene is what a course's labs find in a cluster: namespaces, each known to
// the labs by its role, the objects in them, and the image for pods.
type Scene struct {
	Namespaces Namespaces // as they are called in a cluster of ours; learners work in the first
	Objects    string     // a manifest; a text/template over the namespaces' names by role
	Image      string     // present on every node
}

// Namespaces are a scene's namespaces in order.
type Namespaces []Namespace

// Namespace is one namespace and the part that it plays in the labs.
type Namespace struct {
	Role string // a Go identifier, as in {{.home}}
	Name string
}

// Home is the namespace that learners work in.
func (n Namespaces) Home() string { return n[0].Name }

// Of returns the name of the namespace with that role. It panics if the scene
// has none: the course is wrong then.
func (n Namespaces) Of(role string) string {
	for _, namespace := range n {
		if namespace.Role == role {
			return namespace.Name
		}
	}
	panic("the scene has no namespace with the role " + role)
}

// Names are the namespaces' names in order.
func (n Namespaces) Names() []string {
	names := make([]string, len(n))
	for i, namespace := range n {
		names[i] = namespace.Name
	}
	return names
}

// ByRole are the namespaces' names by role.
func (n Namespaces) ByRole() map[string]string {
	names := map[string]string{}
	for _, namespace := range n {
		names[namespace.Role] = namespace.Name
	}
	return names
}

// SceneLabel marks the objects of the scene itself, which stay in the cluster.
const SceneLabel = "rolecall.local/place"
