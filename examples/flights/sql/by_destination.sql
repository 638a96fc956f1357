-- One row a destination. Diverted flights have no arr_delay: avg leaves them out, count(*) does not.
select
    dest,
    destination,
    count(*) as flights,
    min(distance) as distance,
    avg(arr_delay) as mean_delay,
    avg(case when arr_delay >= $min_delay then 1.0 when arr_delay is not null then 0.0 end) as late_share,
    avg(case when visib < 3 then arr_delay end) as mean_delay_low_visibility,
    count(*) as flights_score, -- for scores, which scales the two in place
    avg(arr_delay) as delay_score
from enriched
group by dest, destination
-- Equal inputs must give equal rows in equal order: dest decides where delays tie.
order by mean_delay desc, dest
