// Command go is what AppStack is measured against: a small controller for AppStacks, as controller-runtime wants one.
//
// It knows only what the bench's stacks use, and writes for each a ConfigMap, a Service and a Deployment. It compares
// before it writes, so a look at a stack that is as it should be costs no request.
package main

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const fieldOwner = client.FieldOwner("go-peer")

func main() {
	metrics := flag.String("metrics", "127.0.0.1:8080", "where /metrics is served")
	health := flag.String("health", "127.0.0.1:8081", "where /readyz is served")
	workers := flag.Int("workers", 16, "how many stacks are looked at at once")
	flag.Parse() // and --kubeconfig, which is controller-runtime's
	ctrl.SetLogger(zap.New())
	if err := run(ctrl.SetupSignalHandler(), *metrics, *health, *workers); err != nil {
		ctrl.Log.Error(err, "the controller ends")
		os.Exit(1)
	}
}

func run(ctx context.Context, metrics, health string, workers int) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1 // the API server's priority and fairness is the only limit
	if err := addToScheme(scheme.Scheme); err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme.Scheme,
		Metrics:                server.Options{BindAddress: metrics},
		HealthProbeBindAddress: health,
		Cache:                  cacheOptions(),
		// A look waits until the cache has shown what the look before it wrote, or it would write that again.
		Client: client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
	})
	if err != nil {
		return err
	}
	if err := manager.AddReadyzCheck("caches", synced(manager.GetCache())); err != nil {
		return err
	}
	untold := builder.WithPredicates(predicate.Funcs{CreateFunc: func(event.CreateEvent) bool { return false }})
	err = ctrl.NewControllerManagedBy(manager).
		For(&AppStack{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&corev1.ConfigMap{}, untold). // a child that appears is ours, and needs no look
		Owns(&corev1.Service{}, untold).
		Owns(&appsv1.Deployment{}, untold).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(&reconciler{manager.GetClient()})
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

// cacheOptions has children in the cache that are ours, and none of what the API server notes about managers.
func cacheOptions() cache.Options {
	ours := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{managedBy: manager})}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.ConfigMap{}:  ours,
			&corev1.Service{}:    ours,
			&appsv1.Deployment{}: ours,
		},
	}
}

func synced(informers cache.Cache) func(*http.Request) error {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), 100*time.Millisecond)
		defer cancel()
		if !informers.WaitForCacheSync(ctx) {
			return errors.New("the caches are not filled yet")
		}
		return nil
	}
}

type reconciler struct{ client.Client }

// Reconcile has one look at a stack: what differs is applied, then the status says so.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	stack := &AppStack{}
	if err := r.Get(ctx, request.NamespacedName, stack); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // its children have an owner, and go with it
	}
	if !stack.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	deployment := &appsv1.Deployment{}
	for _, child := range []struct {
		seen   client.Object
		wanted wanted
	}{
		{&corev1.ConfigMap{}, configMap(stack)},
		{&corev1.Service{}, service(stack)},
		{deployment, renderDeployment(stack)},
	} {
		if err := r.ensure(ctx, child.seen, child.wanted); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, r.report(ctx, stack, deployment)
}

// ensure applies an object unless the cache shows that every field has its value; what was there is in seen.
func (r *reconciler) ensure(ctx context.Context, seen client.Object, wanted wanted) error {
	key := client.ObjectKey{Namespace: *wanted.GetNamespace(), Name: *wanted.GetName()}
	err := r.Get(ctx, key, seen)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil {
		same, err := covers(seen, wanted)
		if err != nil || same {
			return err
		}
	}
	return r.Apply(ctx, wanted, fieldOwner, client.ForceOwnership)
}

// report applies the status where it differs.
func (r *reconciler) report(ctx context.Context, stack *AppStack, deployment *appsv1.Deployment) error {
	status := Status{
		ObservedGeneration: stack.Generation,
		Replicas:           deployment.Status.Replicas,
		ReadyReplicas:      deployment.Status.ReadyReplicas,
		Selector:           stackLabel + "=" + stack.Name,
		Conditions:         append([]metav1.Condition{}, stack.Status.Conditions...),
		Resources:          resources(stack),
	}
	meta.SetStatusCondition(&status.Conditions, ready(stack, deployment))
	if equality.Semantic.DeepEqual(status, stack.Status) {
		return nil
	}
	name := metav1ac.ObjectMeta().WithNamespace(stack.Namespace).WithName(stack.Name)
	apply := &statusApplyConfiguration{
		TypeMetaApplyConfiguration:   *metav1ac.TypeMeta().WithAPIVersion(groupVersion.String()).WithKind(kind),
		ObjectMetaApplyConfiguration: name,
		Status:                       status,
	}
	return r.Status().Apply(ctx, apply, fieldOwner, client.ForceOwnership)
}

func ready(stack *AppStack, deployment *appsv1.Deployment) metav1.Condition {
	condition := metav1.Condition{
		Type:               "Ready",
		Status:             metav1.ConditionFalse,
		Reason:             "Progressing",
		Message:            "Deployment " + stack.Name + " was just written",
		ObservedGeneration: stack.Generation,
	}
	seen := deployment.Status
	if seen.ObservedGeneration > 0 && seen.ObservedGeneration >= deployment.Generation && seen.ReadyReplicas == seen.Replicas {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionTrue, "Ready", "Every pod is ready"
	}
	return condition
}

// covers tells whether an object has every value that is wanted. What others, or the API server, add does not matter.
func covers(seen client.Object, wanted wanted) (bool, error) {
	have, err := runtime.DefaultUnstructuredConverter.ToUnstructured(seen)
	if err != nil {
		return false, err
	}
	want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return false, err
	}
	delete(want, "apiVersion") // which a typed object from the cache does not have
	delete(want, "kind")
	return hasAll(have, want), nil
}
