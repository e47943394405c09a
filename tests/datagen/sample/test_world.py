from datagen.sample.world import World


def test_releases_2014_and_2017_name_the_same_scenes_with_the_same_ids() -> None:
    world = World(seed=0, num_scenes=30)
    old, new = world.coco(), world.coco(release=2017)
    assert [(p.image_id, p.scene, p.role) for p in old] == [
        (p.image_id, p.scene, p.role) for p in new
    ]
    assert {p.path for p in new if p.role == "restval"} == {
        f"images/coco/train2017/{p.image_id:012d}.jpg" for p in old if p.role == "restval"
    }


def test_roles_divide_the_images_three_to_one_to_one() -> None:
    world = World(seed=0, num_scenes=200)
    by_role = {r: world.coco(r) for r in ("train", "restval", "val", "test", "hidden")}
    assert {role: len(found) for role, found in by_role.items()} == {
        "train": 120,
        "restval": 8,
        "val": 16,
        "test": 16,
        "hidden": 40,
    }


def test_ids_are_distinct_over_coco_and_other_collections() -> None:
    world = World(seed=0, num_scenes=3000)
    ids = [image.image_id for image in world.coco()]
    ids += [world.own_image_id(index) for index in range(3000)]
    assert len(set(ids)) == 6000
    assert min(ids) > 0
    assert max(ids) < 10**6


def test_a_larger_world_begins_with_the_scenes_of_a_smaller_one() -> None:
    small, large = World(seed=0, num_scenes=20), World(seed=0, num_scenes=40)
    assert large.coco()[:20] == small.coco()
